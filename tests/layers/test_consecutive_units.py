"""Units of consecutive clicks and their edges against a walk over each session."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.layers.consecutive_units import Steps, UnitLevel, consecutive_units

Unit = tuple[int, ...]


def plain_units(row: list[int], size: int) -> list[Unit]:
    """Distinct runs of ``size`` clicks in order; the whole session where it is shorter."""
    if len(row) < size:
        return [tuple(row)]
    return list(dict.fromkeys(tuple(row[i : i + size]) for i in range(len(row) - size + 1)))


def plain_edges(row: list[int], size: int) -> tuple[set, set, set]:
    runs = [tuple(row[i : i + size]) for i in range(len(row) - size + 1)]
    following = set(pairwise(runs))
    from_item = {((row[i],), runs[i + 1]) for i in range(len(runs) - 1)}
    to_item = {(runs[i], (row[i + size],)) for i in range(len(runs) - 1)}
    return following, from_item, to_item


def names(level: UnitLevel) -> list[tuple[int, Unit]]:
    """Each unit as its session and its clicks."""
    return [
        (int(session), tuple(int(item) for item in items if item > 0))
        for session, items in zip(level.session, level.items, strict=True)
    ]


def listed(edges: Steps, sources: list, targets: list) -> list:
    return [(sources[s], targets[t]) for s, t in zip(*map(torch.Tensor.tolist, edges), strict=True)]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=8), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(0, 2),
)
def test_against_plain_walk(rows: list[list[int]], order: int, extra: int) -> None:
    width = max(len(row) for row in rows) + extra
    batch = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    levels = consecutive_units(batch, order)
    items = names(levels[0])
    assert len(levels) == order
    for size, level in enumerate(levels, start=1):
        units = names(level)
        expected = [(b, unit) for b, row in enumerate(rows) for unit in plain_units(row, size)]
        assert units == expected
        assert [units[i] for i in level.last] == [(b, tuple(r[-size:])) for b, r in enumerate(rows)]
        found = (
            listed(level.following, units, units),
            listed(level.from_item, items, units),
            listed(level.to_item, units, items),
        )
        for kind, edges in enumerate(found):
            wanted = {
                ((b, source), (b, target))
                for b, row in enumerate(rows)
                for source, target in plain_edges(row, size)[kind]
            }
            assert set(edges) == wanted
            assert len(edges) == len(wanted)
