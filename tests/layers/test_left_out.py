"""The softmax over new items alone, against autograd through all scores."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.full_softmax import TargetMixture, full_softmax_losses
from recbole_a2d.layers.left_out import leave_out_
from recbole_a2d.layers.log_partition import FixedScores

OWN = torch.tensor([[3, 1, 3, 0], [2, 0, 0, 0], [1, 2, 4, 4], [0, 0, 0, 0]])
RETURNS = torch.tensor([3, 2, 4, 1])
"""Targets among the session's own items, but for the row that has none."""
NEW = torch.tensor([5, 1, 3, 6])
MIXED = torch.tensor([3, 1, 3, 6])


def naive_losses(
    vectors: Tensor, table: Tensor, targets: Tensor, mixture: TargetMixture, added: Tensor
) -> Tensor:
    losses = []
    for row, target in enumerate(targets.tolist()):
        own = set(OWN[row].tolist())
        scores = {
            item: table[item] @ vectors[row] + added[row, item]
            for item in range(1, len(table))
            if item not in own
        }
        probability = mixture.log_rest[row].exp()
        if target in scores:
            total = sum(score.exp() for score in scores.values())
            softmax = scores[target].exp() / total
            probability = probability + mixture.log_share[row].exp() * softmax
        losses.append(-probability.log())
    return torch.stack(losses)


@pytest.mark.parametrize("targets", [RETURNS, NEW, MIXED])
@pytest.mark.parametrize("unit_items", [True, False])
@pytest.mark.parametrize("with_fixed", [True, False])
def test_loss_and_gradients(targets: Tensor, unit_items: bool, with_fixed: bool) -> None:
    torch.manual_seed(0)
    leaves = [
        torch.randn(4, 5),
        torch.randn(7, 5),
        torch.randn(4),
        torch.randn(4),
        torch.ones(4, 2),
    ]
    vectors, table, share, rest, weights = (leaf.requires_grad_() for leaf in leaves)
    features = torch.randn(7, 2)
    fixed = FixedScores(weights, features) if with_fixed else None
    mixture = TargetMixture(share, rest)
    mean, losses = full_softmax_losses(
        vectors, table, targets, mixture, left_out=OWN, unit_items=unit_items, fixed=fixed
    )
    candidates = F.normalize(table, dim=1) if unit_items else table
    added = weights @ features.T if with_fixed else torch.zeros(4, 7)
    expected = naive_losses(vectors, candidates, targets, mixture, added)
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(mean, expected.mean())
    assert not losses.requires_grad
    used = leaves if with_fixed else leaves[:4]
    found, wanted = (
        torch.autograd.grad(3 * loss, used, allow_unused=True) for loss in (mean, expected.mean())
    )
    for one, other, leaf in zip(found, wanted, used, strict=True):
        one, other = (torch.zeros_like(leaf) if x is None else x for x in (one, other))
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_row_that_holds_all_items_spoils_no_gradient() -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(2, 5), torch.randn(4, 5), torch.randn(2), torch.randn(2)]
    vectors, table, share, rest = (leaf.requires_grad_() for leaf in leaves)
    own = torch.tensor([[1, 2, 3], [1, 0, 0]])
    mean, _ = full_softmax_losses(
        vectors, table, torch.tensor([3, 2]), TargetMixture(share, rest), left_out=own
    )
    mean.backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves if leaf.grad is not None)
    assert vectors.grad is not None and (vectors.grad[0] == 0).all() and vectors.grad[1].any()


def test_own_items_are_left_out_unless_they_are_all_there_are() -> None:
    own = torch.tensor([[1, 2, 2], [1, 2, 3], [0, 0, 0]])
    scores = leave_out_(torch.zeros(3, 4), own)
    assert scores[:, 1:].isinf().tolist() == [[True, True, False], [False] * 3, [False] * 3]


def test_without_a_mixture_nothing_may_be_left_out() -> None:
    with pytest.raises(ValueError, match="needs a mixture"):
        full_softmax_losses(torch.ones(4, 5), torch.ones(7, 5), NEW, left_out=OWN)
