"""Trends of items against counting click by click."""

from __future__ import annotations

from math import log

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.layers.item_trends import ItemTrends

SESSIONS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=9)
SLICES = st.integers(1, 5)


def trends(sessions: list[list[int]], slices: int) -> ItemTrends:
    found = ItemTrends(Sessions.from_lists(sessions), 5, slices)
    torch.nn.init.uniform_(found.weight)
    return found


def naive(sessions: list[list[int]], weight: list[float], now: int) -> list[float]:
    """What each item's score gains in slice ``now``, from the clicks of each slice before."""
    slices = len(weight)
    gained = [0.0] * 5
    for age in range(1, now + 1):
        members = [
            one for at, one in enumerate(sessions) if at * slices // len(sessions) == now - age
        ]
        for item in range(5):
            clicks = sum(session.count(item) for session in members)
            gained[item] += weight[age - 1] * log(1 + clicks)
    return gained


@given(SESSIONS, SLICES)
def test_equals_counting_one_by_one(sessions: list[list[int]], slices: int) -> None:
    model = trends(sessions, slices)
    weight = model.weight.tolist()
    numbers = torch.arange(len(sessions))
    found = model.of_training(numbers) @ model.features.T
    wanted = [naive(sessions, weight, at * slices // len(sessions)) for at in range(len(sessions))]
    torch.testing.assert_close(found, torch.tensor(wanted))
    later = model.of_later(2) @ model.features.T
    torch.testing.assert_close(later, torch.tensor([naive(sessions, weight, slices)] * 2))


@given(SESSIONS, SLICES, st.data())
def test_a_session_knows_nothing_of_itself_and_what_follows(
    sessions: list[list[int]], slices: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(sessions) - 1))
    changed = sessions[:number] + [[4] * len(one) for one in sessions[number:]]
    rows = torch.tensor([number])
    one, other = trends(sessions, slices), trends(changed, slices)
    other.weight.data.copy_(one.weight)
    gained = [model.of_training(rows) @ model.features.T for model in (one, other)]
    torch.testing.assert_close(*gained)


def test_nothing_is_gained_before_training() -> None:
    fresh = ItemTrends(Sessions.from_lists([[1, 2], [3]]), 5, 2)
    assert not bool(fresh.of_later(1).any())
