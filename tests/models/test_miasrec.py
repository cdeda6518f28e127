"""MiaSRec: shared behaviour, its intents, and the plain computation of its scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.errors import UserError
from recbole_a2d.models.miasrec import MiaSRec

SMALL = {"embedding_size": 16, "inner_size": 32}
IMPORTANCE = ["selection.importance.weight"]


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    def make(**overrides: Any) -> MiaSRec:
        return MiaSRec(tiny_config("MiaSRec", **{**SMALL, **overrides}), tiny_dataset)

    return make


# As a mere gate, importance gets no gradient: the intents it scales are normalised.
@pytest.mark.parametrize(
    ("overrides", "unused"),
    [
        ({"entmax_alpha": -1}, IMPORTANCE),
        ({"entmax_alpha": 1.2}, IMPORTANCE),
        ({"importance": "weight"}, []),
        ({"importance": "weight", "entmax_alpha": "learned"}, []),
    ],
)
def test_behaviour(build: Any, checks: Any, overrides: dict[str, Any], unused: list[str]) -> None:
    checks.all(build(**overrides), unused)


def test_weighed_intents_learn_the_ring(build: Any, checks: Any) -> None:
    checks.learns_cycle(build(importance="weight"))


def pruning(model: MiaSRec) -> MiaSRec:
    """Make importances differ so much that some intents are pruned."""
    with torch.no_grad():
        model.selection.importance.weight.normal_(std=3.0)
    return model.eval()


@pytest.mark.parametrize("importance", ["gate", "weight"])
def test_scores_equal_the_plain_computation(build: Any, tiny_batch: Any, importance: str) -> None:
    model = pruning(build(importance=importance, beta_logit=0.6, temperature=0.5))
    batch = tiny_batch([[3, 4, 5, 9, 2], [7], [6, 6, 8]])
    with torch.no_grad():
        scores = model.full_sort_predict(batch)
        intents, weights = model(batch["item_id_list"], batch["item_length"])
        table = F.normalize(model.item_embedding.weight, dim=1)
    assert 0 < (weights[0] == 0).sum() < 6
    for row in range(3):
        kept = intents[row][weights[row] > 0]
        mean_weights = torch.full((len(kept),), 1 / len(kept))
        if importance == "weight":
            mean_weights = weights[row][weights[row] > 0]
        cosines = kept @ table.T
        expected = (0.6 * cosines.amax(0) + 0.4 * mean_weights @ cosines) / 0.5
        torch.testing.assert_close(scores[row, 1:], expected[1:])


def test_loss_is_the_cross_entropy_of_the_scores(build: Any, tiny_batch: Any) -> None:
    model, targets = pruning(build()), [5, 6, 20]
    batch = tiny_batch([[3, 4, 5, 9, 2], [7], [6, 6, 8]], targets)
    scores = model.full_sort_predict(batch)[:, 1:]
    expected = F.cross_entropy(scores, torch.tensor(targets) - 1)
    torch.testing.assert_close(model.calculate_loss(batch), expected)


def test_intents_read_the_whole_session(build: Any) -> None:
    model, seen = build().eval(), []
    model.attentions[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    model(torch.tensor([[4, 5, 0]]), torch.tensor([2]))
    assert seen[0].expand(1, 4, 4)[0].int().tolist() == [[1, 1, 1, 0]] * 4


def test_inputs_are_mean_then_latest_click_first(build: Any) -> None:
    model = build().eval()
    seen: list[torch.Tensor] = []
    model.frequency.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.tensor([[4, 1, 1, 0]]), torch.tensor([3]))
    items, placed = seen
    assert items.tolist() == [[-1, 1, 1, 4, 0]]
    clicks = model.item_embedding(torch.tensor([1, 1, 4]))
    vectors = torch.cat([clicks.mean(0, keepdim=True), clicks])
    # Item 1 occurs twice; the whole session is no item and occurs once.
    counts = model.frequency.embedding(torch.tensor([0, 2, 2, 1]))
    counts[0] = model.frequency.embedding.weight[1]
    torch.testing.assert_close(placed[0, :4], vectors + model.position.weight[:4] + counts)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"entmax_alpha": "learned"}, "importance: weight"),
        ({"entmax_alpha": 1.0}, "entmax_alpha"),
        ({"entmax_alpha": "sparse"}, "entmax_alpha"),
        ({"importance": "none"}, "importance"),
        ({"n_layers": 0}, "n_layers"),
    ],
)
def test_bad_settings(build: Any, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(**overrides)
