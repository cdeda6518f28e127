"""What every model of the registry must show, model by model, with its own yaml made small."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.errors import UserError
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.model_list import MODELS
from recbole_a2d.registry import trained_models

TRAINED = trained_models()
EVERY_MODEL = pytest.mark.parametrize("name", list(MODELS))
EVERY_TRAINED_MODEL = pytest.mark.parametrize("name", TRAINED)

WITHOUT_GRADIENT = {
    # a constant added to every score of a softmax changes nothing
    "CORE": ["net.fn.bias"],
    # as a mere gate, importance gets none: the intents it scales are normalised
    "MiaSRec": ["selection.importance.weight"],
}
MIXES_OF_OWN_ITEMS = {"CORE", "CLHHN"}
"""Their session vector is a mix of the session's own items: of the others the next is nearest."""
# STAMP starts from vectors of 0.002 and needs longer to leave them.
STEPS = {"STAMP": 400, "CORE": 200, "CLHHN": 200, "MSGIFSR": 80}
FASTER = {
    "CORE": {"sess_dropout": 0.0, "item_dropout": 0.0, "n_layers": 1},
    "GCSAN": {"n_layers": 1},
    "SASRec": {"n_layers": 1},
}


@EVERY_MODEL
def test_score_of_a_row_is_its_own(name: str, small: Any, checks: Any) -> None:
    model = small(name)
    checks.independent_of_other_rows(model)
    checks.independent_of_padding(model)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "Pop"])
def test_scores_depend_on_the_prefix(name: str, small: Any, checks: Any) -> None:
    checks.depends_on_prefix(small(name))


@EVERY_MODEL
def test_scores_in_parts(
    name: str, small: Any, checks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks.same_in_parts(small(name), monkeypatch)


@EVERY_MODEL
def test_unknown_items(name: str, small: Any, checks: Any) -> None:
    model = small(name)
    checks.ignores_unknown_items(model)
    checks.finite_without_clicks(model)


@EVERY_MODEL
def test_save_and_load(name: str, small: Any, checks: Any) -> None:
    model = small(name)
    torch.manual_seed(1)
    checks.restored_from_file(model, small(name))


@EVERY_MODEL
def test_longest_prefix(name: str, small: Any, checks: Any) -> None:
    checks.reads_longest_prefix(small(name))


@EVERY_MODEL
def test_predict_is_a_column_of_the_ranking(name: str, small: Any, tiny_batch: Any) -> None:
    model, batch = small(name).eval(), tiny_batch([[3, 4], [7]], targets=[5, 2])
    with torch.no_grad():
        scores = model.full_sort_predict(batch).view(2, -1)
        torch.testing.assert_close(model.predict(batch), scores[[0, 1], [5, 2]])


@EVERY_TRAINED_MODEL
def test_gradients_reach_all_parameters(name: str, small: Any, checks: Any) -> None:
    checks.gradients_reach_all(small(name), WITHOUT_GRADIENT.get(name, []))


@EVERY_TRAINED_MODEL
def test_look_ups_share_the_gradient_of_the_scores(
    name: str, small: Any, checks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [small(name), small(name)]
    both[1].load_state_dict(both[0].state_dict())
    shared = checks.gradients(both[0])
    monkeypatch.setattr(ItemEmbedding, "loss", lambda _: nullcontext())
    monkeypatch.setattr(ItemVectors, "rows", lambda self, index: F.embedding(index, self.table))
    torch.testing.assert_close(shared, checks.gradients(both[1]), rtol=1e-4, atol=1e-6)


@EVERY_TRAINED_MODEL
def test_trains_in_bfloat16(name: str, small: Any, checks: Any) -> None:
    checks.trains_in_bfloat16(small(name))


@EVERY_TRAINED_MODEL
def test_learns_the_ring(name: str, small: Any, checks: Any) -> None:
    """Close to the best reachable score, which is 1: the next click is always known."""
    model = small(name, **FASTER.get(name, {}))
    checks.train_on_cycle(model, STEPS.get(name, 150))
    if name in MIXES_OF_OWN_ITEMS:
        accuracy = checks.cycle_accuracy(model, lengths=(3, 4, 5), own_items=False)
    else:
        accuracy = checks.cycle_accuracy(model)
    assert accuracy > 0.9


@pytest.mark.parametrize("name", [name for name in MODELS if name not in TRAINED])
def test_counting_models_refuse_to_be_trained(name: str, small: Any, tiny_batch: Any) -> None:
    model = small(name)
    assert list(model.parameters()) == []
    with pytest.raises(UserError, match=name):
        model.calculate_loss(tiny_batch([[1]]))
