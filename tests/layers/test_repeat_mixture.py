"""The split softmax against probabilities written out item by item."""

from __future__ import annotations

import pytest
import torch

from recbole_a2d.layers import log_partition
from recbole_a2d.layers.repeat_mixture import (
    all_log_probabilities,
    logsumexp_of_others,
    target_log_probability,
)

NODES = torch.tensor([[3, 1, 0], [2, 0, 0], [5, 6, 7]])
TARGETS = torch.tensor([1, 4, 6])


def plain_probabilities(
    vector: torch.Tensor, table: torch.Tensor, own: list[int], split: torch.Tensor | None
) -> torch.Tensor:
    """Probabilities of the items 1 to N, entry 0 unused."""
    scores, result = (table @ vector).exp(), torch.zeros(len(table))
    items = range(1, len(table))
    if split is None:
        total = sum(scores[i] for i in items)
        for i in items:
            result[i] = scores[i] / total
        return result
    for group, share in ((own, split[0]), ([i for i in items if i not in own], split[1])):
        total = sum(scores[i] for i in group)
        for i in group:
            result[i] = share * scores[i] / total
    return result


@pytest.mark.parametrize("with_split", [True, False])
def test_probabilities(with_split: bool) -> None:
    torch.manual_seed(0)
    vectors, table = torch.randn(3, 4), torch.randn(9, 4)
    log_split = torch.randn(3, 2).log_softmax(1) if with_split else None
    all_items = all_log_probabilities(vectors, table, NODES, log_split)
    targets = target_log_probability(vectors, table, NODES, TARGETS, log_split)
    for b in range(3):
        own = [int(i) for i in NODES[b] if i > 0]
        split = None if log_split is None else log_split[b].exp()
        expected = plain_probabilities(vectors[b], table, own, split)
        torch.testing.assert_close(all_items[b, 1:].exp(), expected[1:], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(targets[b].exp(), expected[TARGETS[b]], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(all_items[b, 1:].exp().sum(), torch.tensor(1.0))


@pytest.mark.parametrize("items", [9, 300])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_gradients(size: float, items: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against autograd through the whole array of scores, with several chunks of many items.

    Scores so large that their exponentials are beyond float32 included.
    """
    monkeypatch.setattr(log_partition, "_CHUNK_BYTES", 1)
    torch.manual_seed(0)
    vectors = (size * torch.randn(40, 4)).requires_grad_()
    table = torch.randn(items, 4, requires_grad=True)
    left_out, weights = torch.randint(0, items, (40, 3)), torch.randn(40)
    result = logsumexp_of_others(vectors, table, left_out)
    (result * weights).sum().backward()
    plain_vectors, plain_table = (x.detach().clone().requires_grad_() for x in (vectors, table))
    banned = torch.zeros(40, items, dtype=torch.bool).scatter(1, left_out, True)
    banned[:, 0] = True
    expected = (plain_vectors @ plain_table.T).masked_fill(banned, -torch.inf).logsumexp(1)
    (expected * weights).sum().backward()
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(vectors.grad, plain_vectors.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(table.grad, plain_table.grad, rtol=1e-4, atol=1e-6 * size)
    assert (table.grad[0] == 0).all()


def test_large_scores_do_not_overflow() -> None:
    vectors, table = torch.full((3, 4), 40.0), torch.full((9, 4), 40.0)
    log_split = torch.full((3, 2), 0.5).log()
    assert torch.isfinite(all_log_probabilities(vectors, table, NODES, log_split)[:, 1:]).all()
    assert torch.isfinite(target_log_probability(vectors, table, NODES, TARGETS, log_split)).all()


@pytest.mark.parametrize("targets", [[1, 2, 6], [4, 4, 4]])
def test_targets_all_of_one_kind(targets: list[int]) -> None:
    """All among the session's own items, so that no sum over the others is made; or none."""
    torch.manual_seed(0)
    leaves = [torch.randn(3, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)]
    log_split = torch.randn(3, 2).log_softmax(1)
    result = target_log_probability(*leaves, NODES, torch.tensor(targets), log_split)
    result.sum().backward()
    for b, target in enumerate(targets):
        own = [int(i) for i in NODES[b] if i > 0]
        expected = plain_probabilities(leaves[0][b], leaves[1], own, log_split[b].exp())
        torch.testing.assert_close(result[b].exp(), expected[target], rtol=1e-4, atol=1e-6)
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)
