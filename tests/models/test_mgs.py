"""MGS: the behaviour every model must show, and its draws."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_a2d.errors import UserError
from recbole_a2d.layers.mirror import mirror_contrast
from recbole_a2d.models.mgs import MGS

SMALL = {"embedding_size": 16, "layers": 2, "fellows": 2, "contrast_weight": 0.1}


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    return lambda **changes: MGS(tiny_config("MGS", **{**SMALL, **changes}), tiny_dataset)


def test_behaviour_with_a_gate(build: Any, checks: Any) -> None:
    checks.all(build(last_click_weight=0.5))


def test_evaluation_repeats_and_training_does_not(build: Any, checks: Any, tiny_batch: Any) -> None:
    one, two = build(), build()
    two.load_state_dict(one.state_dict())
    assert torch.equal(checks.scores(one, [[3, 4]]), checks.scores(one, [[3, 4]]))
    assert torch.equal(checks.scores(one, [[3, 4]]), checks.scores(two, [[3, 4]]))
    one.train()
    losses = {one.calculate_loss(tiny_batch([[3, 4, 8]])).item() for _ in range(8)}
    assert len(losses) > 1


def test_contrast_is_in_the_loss(build: Any, tiny_batch: Any) -> None:
    batch = tiny_batch([[3, 4, 8], [5, 6, 7, 1]], [5, 2])
    plain, heavy = build(contrast_weight=0.0), build(contrast_weight=3.0)
    heavy.load_state_dict(plain.state_dict())
    plain.eval(), heavy.eval()
    difference = heavy.calculate_loss(batch) - plain.calculate_loss(batch)
    torch.testing.assert_close(difference, 3.0 * plain.encode(batch["item_id_list"])[1])
    assert difference > 0


def test_session_vector_is_read_from_nodes_and_mirrors(build: Any) -> None:
    """4 -> 5 -> 4 -> 9, the last click first: 9, 4, 5."""
    model = build(last_click_weight=0.5).eval()
    nodes, mask = torch.tensor([9, 4, 5]), torch.ones(1, 3, dtype=torch.bool)
    types = torch.tensor([[[1, 2, 0], [3, 1, 4], [0, 4, 1]]])
    lists = (model.evaluation_list_1, model.evaluation_list_2)
    draws = [model.draws(one, nodes) for one in lists]
    (first, second), union = model.attribute(model.item_embedding.weight, nodes, draws)
    items = model.item_embedding(nodes).unsqueeze(0)
    vectors, mirror = items, union.unsqueeze(0)
    for layer in model.mirror_layers:
        vectors, mirror = layer(vectors, mirror, types, mask)
    expected = model.readout(model.highway(items, vectors), mirror, mask)
    found, contrast = model.encode(torch.tensor([[4, 5, 4, 9, 0]]))
    torch.testing.assert_close(found, expected)
    temperature = model.contrast_temperature
    told = mirror_contrast(first.unsqueeze(0), second.unsqueeze(0), mask, temperature)
    torch.testing.assert_close(contrast, told)


def test_items_without_fellows_are_not_contrasted(tiny_config: Any, tiny_dataset: Any) -> None:
    tiny_dataset.n_categories = 20  # of 20 items the first and the last share one of 19
    model = MGS(tiny_config("MGS", **SMALL), tiny_dataset).eval()
    both, alone = (model.encode(torch.tensor([clicks]))[1] for clicks in ([1, 20], [1, 2, 20]))
    torch.testing.assert_close(alone, both)


def test_category_matters(build: Any, checks: Any) -> None:
    model = build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    before = checks.scores(model, [[3, 4]])
    model.draws.count.zero_()
    after = checks.scores(model, [[3, 4]])
    assert (before - after).abs().max() > 1e-2 * before.abs().max()


def test_data_without_categories(tiny_config: Any, tiny_dataset: Any) -> None:
    tiny_dataset.n_categories = 1
    with pytest.raises(UserError, match="MGS needs item categories"):
        MGS(tiny_config("MGS", **SMALL), tiny_dataset)
