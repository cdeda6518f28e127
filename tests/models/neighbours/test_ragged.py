"""Rows of unequal length against plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.models.neighbours.ragged import (
    expand,
    largest_of_each_row,
    last_of_each_row,
    runs,
)

RUNS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=8)
ROWS = st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=6)


def flat(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    row = np.array([r for r, values in enumerate(rows) for _ in values], dtype=np.int64)
    return row, np.array([value for values in rows for value in values], dtype=np.float64)


@given(RUNS)
def test_expand(runs: list[tuple[int, int]]) -> None:
    starts, counts = (np.array([run[i] for run in runs], dtype=np.int64) for i in (0, 1))
    expected = [start + step for start, count in runs for step in range(count)]
    assert expand(starts, counts).tolist() == expected


@given(st.lists(st.integers(0, 3)))
def test_runs(values: list[int]) -> None:
    keys = sorted(values)
    firsts, lasts = runs(np.array(keys, dtype=np.int64))
    assert firsts.tolist() == [keys.index(key) for key in sorted(set(keys))]
    assert lasts.tolist() == [len(keys) - 1 - keys[::-1].index(key) for key in sorted(set(keys))]


@given(ROWS, st.integers(1, 4))
def test_last_of_each_row(rows: list[list[int]], count: int) -> None:
    row, _ = flat(rows)
    expected = [i >= len(values) - count for values in rows for i in range(len(values))]
    assert last_of_each_row(row, len(rows), count).tolist() == expected


@given(ROWS, st.integers(1, 4))
def test_largest_of_each_row_prefers_later_among_equals(rows: list[list[int]], count: int) -> None:
    row, value = flat(rows)
    expected = []
    for values in rows:
        best = sorted(range(len(values)), key=lambda i: (values[i], i), reverse=True)[:count]
        expected += [i in best for i in range(len(values))]
    assert largest_of_each_row(row, value, len(rows), count).tolist() == expected
