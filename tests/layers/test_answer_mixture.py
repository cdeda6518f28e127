"""The mixture of answers, against loops over rows, clicks and items."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.answer_mixture import (
    AnswerMixture,
    CategoryPopularity,
    Mixed,
    point,
    point_scores,
    pointed_at,
    same_item,
    target_mixture,
)
from recbole_a2d.layers.full_softmax import all_scores, full_softmax_loss
from recbole_a2d.layers.log_partition import log_sums
from recbole_a2d.layers.masking import prefix_mask

ITEMS = torch.tensor([[3, 1, 3, 0], [2, 0, 0, 0], [1, 2, 4, 4], [0, 0, 0, 0]])
LENGTHS = torch.tensor([3, 1, 4, 0])
TARGETS = torch.tensor([3, 5, 4, 2])
MASK = prefix_mask(LENGTHS, 4)
N_ITEMS = 6
CATEGORY_OF_ITEM = torch.tensor([0, 1, 1, 2, 2, 0])
COUNTS = torch.tensor([9, 4, 1, 2, 3, 7])


@pytest.fixture
def mixed() -> Mixed:
    torch.manual_seed(0)
    scores = torch.randn(4, 4).masked_fill(~MASK, -torch.inf)
    pointer = torch.nan_to_num(scores.softmax(1)).requires_grad_()
    return Mixed(pointer, torch.randn(4, 3).log_softmax(1).requires_grad_())


@pytest.fixture
def log_categories() -> Tensor:
    torch.manual_seed(2)
    logits = torch.randn(4, 3)
    logits[:, 0] = -torch.inf
    return logits.log_softmax(1)


def vectors_and_table() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(4, 5, requires_grad=True), torch.randn(N_ITEMS, 5, requires_grad=True)


def naive_share(item: int, *, without_own_click: bool) -> float:
    """Part of its category's clicks that an item has."""
    category = int(CATEGORY_OF_ITEM[item])
    if category == 0:
        return 0.0
    total = sum(int(n) for n, c in zip(COUNTS, CATEGORY_OF_ITEM, strict=True) if c == category)
    if without_own_click:
        return (int(COUNTS[item]) - 1) / (total - 1)
    return int(COUNTS[item]) / total


def naive_probability(
    row: int,
    item: int,
    scores: Tensor,
    mixed: Mixed,
    log_categories: Tensor,
    *,
    training: bool,
) -> float:
    softmax = math.exp(scores[row, item]) / sum(math.exp(x) for x in scores[row, 1:])
    own = sum(
        float(mixed.pointer[row, place].detach())
        for place in range(int(LENGTHS[row]))
        if ITEMS[row, place] == item
    )
    of_category = float(log_categories[row, CATEGORY_OF_ITEM[item]].exp())
    category = of_category * naive_share(item, without_own_click=training)
    weights = mixed.log_shares[row].exp().tolist()
    return weights[0] * softmax + weights[1] * own + weights[2] * category


def parts(mixed: Mixed, popularity: CategoryPopularity, log_categories: Tensor) -> list[Tensor]:
    own = pointed_at(mixed.pointer, ITEMS, TARGETS)
    return [own, popularity.of_targets(log_categories, TARGETS)]


def test_loss_is_that_of_the_mixture(mixed: Mixed, log_categories: Tensor) -> None:
    vectors, table = vectors_and_table()
    popularity = CategoryPopularity(COUNTS, CATEGORY_OF_ITEM)
    mixture = target_mixture(mixed, parts(mixed, popularity, log_categories))
    found = full_softmax_loss(vectors, table, TARGETS, mixture)
    scores = (vectors @ table.T).detach()
    expected = [
        -math.log(naive_probability(row, int(item), scores, mixed, log_categories, training=True))
        for row, item in enumerate(TARGETS)
    ]
    assert found.item() == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_gradients_are_autograds(mixed: Mixed, log_categories: Tensor) -> None:
    vectors, table = vectors_and_table()
    popularity = CategoryPopularity(COUNTS, CATEGORY_OF_ITEM)
    leaves = (vectors, table, mixed.pointer, mixed.log_shares)
    probabilities = parts(mixed, popularity, log_categories)
    found = full_softmax_loss(vectors, table, TARGETS, target_mixture(mixed, probabilities))
    softmax = (vectors @ table[1:].T).softmax(1)[range(4), TARGETS - 1]
    shares = mixed.log_shares.exp()
    total = (shares * torch.stack([softmax, *parts(mixed, popularity, log_categories)], 1)).sum(1)
    plain = -total.log().mean()
    for one, other in zip(
        torch.autograd.grad(3 * found, leaves), torch.autograd.grad(3 * plain, leaves), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_ranking_adds_the_same_parts(mixed: Mixed, log_categories: Tensor) -> None:
    vectors, table = vectors_and_table()
    scores = all_scores(vectors, table).detach()
    scores[:, 0] = -torch.inf
    shares = mixed.log_shares.detach().exp()
    found = scores.softmax(1) * shares[:, :1]
    point(found, mixed.pointer.detach(), ITEMS, shares[:, 1])
    popularity = CategoryPopularity(COUNTS, CATEGORY_OF_ITEM)
    popularity.add_to(found, log_categories, shares[:, 2])
    for row in range(4):
        for item in range(1, N_ITEMS):
            expected = naive_probability(row, item, scores, mixed, log_categories, training=False)
            assert found[row, item].item() == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_scores_with_the_pointer_are_log_probabilities_up_to_a_constant(mixed: Mixed) -> None:
    vectors, table = vectors_and_table()
    scores = all_scores(vectors, table).detach()
    shares = mixed.log_shares.detach()[:, :2].log_softmax(1)
    alone = Mixed(mixed.pointer.detach(), shares)
    expected = scores[:, 1:].softmax(1) * shares[:, :1].exp()
    expected = point(F.pad(expected, (1, 0)), alone.pointer, ITEMS, shares[:, 1].exp())[:, 1:].log()
    odds = log_sums(scores) + shares[:, 1] - shares[:, 0]
    found = point_scores(scores.clone(), alone.pointer, odds, ITEMS, MASK)[:, 1:]
    torch.testing.assert_close(found.log_softmax(1), expected.log_softmax(1))
    constants = found - expected
    torch.testing.assert_close(constants, constants[:, :1].expand_as(constants))


def test_an_item_clicked_once_is_unknown_to_its_own_row() -> None:
    popularity = CategoryPopularity(COUNTS, CATEGORY_OF_ITEM)
    assert popularity.share[2] == pytest.approx(0.2)
    assert popularity.share_of_others[2] == 0


def test_pads_are_the_same_item_as_nothing() -> None:
    same = same_item(ITEMS, MASK)
    assert same[0].tolist() == [
        [True, False, True, False],
        [False, True, False, False],
        [True, False, True, False],
        [False] * 4,
    ]
    assert not same[3].any()


def test_pointer_learns_the_click_before_last() -> None:
    torch.manual_seed(0)
    mixture = AnswerMixture(8, 6, 1, clicks=1, states=1, max_length=4)
    optimizer = torch.optim.Adam(mixture.parameters(), lr=0.05)
    items = torch.randint(1, 30, (64, 4))
    lengths = torch.full((64,), 4)
    mask = prefix_mask(lengths, 4)
    table = torch.randn(30, 8)
    for _ in range(60):
        found = mixture(items, lengths, mask, (table[items],), (torch.zeros(64, 8),))
        own = pointed_at(found.pointer, items, items[:, 2])
        loss = -target_mixture(found, [own]).log_rest.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert found.pointer[:, 2].mean() > 0.8
    assert found.log_shares[:, 1].exp().mean() > 0.8
