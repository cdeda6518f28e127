"""The sampled softmax: its chances, its estimate, and the full softmax as its limit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_a2d.layers.full_softmax import TargetMixture, full_softmax_loss
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.layers.sampled_softmax import (
    Candidates,
    CandidateSampler,
    sampled_softmax_loss,
)

COUNTS = torch.tensor([99, 0, 1, 5, 20, 100])


def example() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    sessions, table = torch.randn(4, 3, requires_grad=True), torch.randn(6, 3, requires_grad=True)
    return sessions, table, torch.tensor([1, 5, 3, 5])


def test_chances_are_those_of_the_draws() -> None:
    torch.manual_seed(0)
    sampler, seen, times = CandidateSampler(COUNTS, 3), torch.zeros(6), 4000
    chance = torch.zeros(6)
    for _ in range(times):
        drawn = sampler.draw()
        seen[drawn.items] += 1
        chance[drawn.items] = drawn.log_chance.exp()
    assert seen[0] == 0 and (seen[1:] > 0).all()
    torch.testing.assert_close(seen / times, chance, atol=0.03, rtol=0)


def test_the_sum_is_estimated_without_bias() -> None:
    sessions, table, targets = example()
    scores = (sessions @ table.T).detach()
    others = scores[:, 1:].exp().sum(1) - scores.gather(1, targets.unsqueeze(1)).exp().squeeze(1)
    sampler, total, times = CandidateSampler(COUNTS, 2), torch.zeros(4), 6000
    for _ in range(times):
        items, log_chance = sampler.draw()
        part = (scores[:, items] - log_chance).exp()
        total += part.masked_fill(items == targets.unsqueeze(1), 0).sum(1)
    torch.testing.assert_close(total / times, others, rtol=0.08, atol=0)


@pytest.mark.parametrize("unit_items", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_with_every_item_drawn_it_is_the_full_softmax(unit_items: bool, mixed: bool) -> None:
    sessions, table, targets = example()
    everything = Candidates(torch.arange(1, 6), torch.zeros(5))
    mixture = TargetMixture(torch.full((4,), 0.4).log(), torch.rand(4).log()) if mixed else None
    full = full_softmax_loss(sessions, table, targets, mixture, unit_items=unit_items)
    sampled = sampled_softmax_loss(
        sessions, ItemVectors(table), targets, everything, mixture, unit_items=unit_items
    )
    torch.testing.assert_close(sampled, full)
    wanted = torch.autograd.grad(full, [sessions, table])
    for one, other in zip(torch.autograd.grad(sampled, [sessions, table]), wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_sparse_gradients_hold_the_rows_looked_up() -> None:
    sessions, table, targets = example()
    drawn = Candidates(torch.tensor([2]), torch.zeros(1))
    sampled_softmax_loss(sessions, ItemVectors(table, sparse=True), targets, drawn).backward()
    assert table.grad is not None and table.grad.is_sparse
    assert set(table.grad.coalesce().indices()[0].tolist()) == {1, 2, 3, 5}
    dense = table.detach().clone().requires_grad_()
    sampled_softmax_loss(sessions.detach(), ItemVectors(dense), targets, drawn).backward()
    torch.testing.assert_close(table.grad.to_dense(), dense.grad)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_row_that_drew_its_target_alone_learns_nothing(mixed: bool) -> None:
    sessions, table, _ = example()
    drawn, targets = Candidates(torch.tensor([2]), torch.zeros(1)), torch.tensor([2, 2, 1, 2])
    mixture = TargetMixture(torch.zeros(4), torch.full((4,), -30.0)) if mixed else None
    sampled_softmax_loss(sessions, ItemVectors(table), targets, drawn, mixture).backward()
    assert sessions.grad is not None and table.grad is not None
    assert sessions.grad[[0, 1, 3]].abs().max() == 0 and sessions.grad[2].abs().max() > 0
    assert torch.isfinite(table.grad).all()
