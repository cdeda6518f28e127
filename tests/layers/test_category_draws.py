"""Draws of fellows: right category, never oneself, never twice, all equally often."""

from __future__ import annotations

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recbole_a2d.layers.category_draws import CategoryDraws


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.integers(1, 6), st.integers(0, 99))
def test_draws_are_fellows(categories: list[int], size: int, seed: int) -> None:
    assume(any(categories))
    category_of_item = torch.tensor([0, *categories])
    draws = CategoryDraws(category_of_item, size)
    items = torch.arange(len(category_of_item))
    fellows, mask = draws(draws.shuffled(torch.Generator().manual_seed(seed)), items)
    for item, category in enumerate(category_of_item.tolist()):
        others = {
            other
            for other, its in enumerate(category_of_item.tolist())
            if its == category and other != item and category > 0
        }
        drawn = fellows[item][mask[item]].tolist()
        assert len(drawn) == len(set(drawn)) == min(size, len(others))
        assert set(drawn) <= others
        assert (fellows[item][~mask[item]] == 0).all()
        assert bool(draws.has_fellows(items)[item]) == bool(others)


def test_draws_are_even() -> None:
    torch.manual_seed(0)
    draws = CategoryDraws(torch.tensor([0, 1, 1, 2, 1, 1, 1]), 2)
    counts = torch.zeros(7)
    for _ in range(1000):
        fellows, mask = draws(draws.shuffled(), torch.tensor([2]))
        counts[fellows[mask]] += 1
    # four fellows, two drawn each time: each comes 500 times, give or take 16 (one deviation)
    assert ((counts[[1, 4, 5, 6]] - 500).abs() < 80).all()
    assert counts[[0, 2, 3]].sum() == 0


def test_lists_follow_the_generator() -> None:
    draws = CategoryDraws(torch.tensor([0, *[1] * 30]), 3)
    lists = [draws.shuffled(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(lists[0], lists[1])
    assert not torch.equal(lists[0], lists[2])
