"""Transition graphs against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data.graphs import (
    category_sessions,
    count_transitions,
    own_transition_counts,
    strongest_neighbors,
)
from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions

lists_of_items = st.lists(st.lists(st.integers(0, 5), max_size=7), min_size=1, max_size=8)


def naive_counts(
    lists: list[list[int]], direction: str, keep_self: bool
) -> Counter[tuple[int, int]]:
    counts: Counter[tuple[int, int]] = Counter()
    for clicks in lists:
        for before, after in zip(clicks, clicks[1:], strict=False):
            if 0 in (before, after) or (before == after and not keep_self):
                continue
            if direction in ("out", "both"):
                counts[before, after] += 1
            if direction in ("in", "both"):
                counts[after, before] += 1
    return counts


@settings(deadline=None)
@given(lists_of_items, st.sampled_from(["out", "in", "both"]), st.booleans())
def test_counts(lists: list[list[int]], direction: str, keep_self: bool) -> None:
    edges = count_transitions(
        Sessions.from_lists(lists), 6, direction=direction, keep_self=keep_self
    )
    found = dict(zip(zip(edges.source, edges.target, strict=True), edges.count, strict=True))
    assert found == naive_counts(lists, direction, keep_self)


@settings(deadline=None)
@given(lists_of_items, st.one_of(st.none(), st.integers(1, 4)))
def test_strongest_neighbors(lists: list[list[int]], limit: int | None) -> None:
    counts = naive_counts(lists, "out", False)
    table = strongest_neighbors(count_transitions(Sessions.from_lists(lists), 6), limit)
    for node in range(6):
        around = sorted((-n, other) for (a, other), n in counts.items() if a == node)
        kept = around[: limit or len(around)]
        width = table.neighbors.shape[1]
        assert table.neighbors[node].tolist() == [o for _, o in kept] + [0] * (width - len(kept))
        assert table.totals[node] == -sum(n for n, _ in around)
        assert table.weights[node, : len(kept)] == pytest.approx(
            [n / sum(m for m, _ in around) for n, _ in kept]
        )


@settings(deadline=None)
@given(lists_of_items, st.sampled_from(["out", "in", "both"]), st.booleans())
def test_own_transitions(lists: list[list[int]], direction: str, keep_self: bool) -> None:
    rows = PrefixRows.of(Sessions.from_lists(lists), 50)
    own = own_transition_counts(rows, direction, keep_self=keep_self)
    expected = []
    for clicks in lists:
        of_session = naive_counts([[1 + item for item in clicks]], direction, keep_self)
        expected += [
            of_session.get((1 + clicks[end - 1], 1 + clicks[end]), 0)
            for end in range(1, len(clicks))
        ]
    assert own.tolist() == expected


def test_categories_replace_items() -> None:
    sessions = category_sessions(Sessions.from_lists([[1, 2, 3]]), np.array([0, 7, 7, 9]))
    assert sessions.items.tolist() == [7, 7, 9]
    edges = count_transitions(sessions, 10)
    assert list(zip(edges.source, edges.target, strict=True)) == [(7, 9)]
