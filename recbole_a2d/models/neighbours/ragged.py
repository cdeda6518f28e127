"""Helpers for rows of unequal length that lie end to end in flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.data.sessions import IntArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def expand(starts: IntArray, counts: IntArray) -> IntArray:
    """Indices ``starts[j], starts[j] + 1, ...``, ``counts[j]`` of them, for every j in turn.

    Shapes: starts, counts ``[runs]`` -> ``[counts.sum()]``.
    """
    before = np.cumsum(counts) - counts
    indices: IntArray = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
    return indices


def runs(sorted_keys: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Index of the first and of the last of each run of equal values; ``[n] -> 2 x [runs]``."""
    changes = np.ones(len(sorted_keys) + 1, dtype=bool)
    changes[1:-1] = sorted_keys[1:] != sorted_keys[:-1]
    firsts = np.flatnonzero(changes[: len(sorted_keys)])
    return firsts, np.flatnonzero(changes[1:])


def offsets_of(row: IntArray, n_rows: int) -> IntArray:
    """Offsets of every row in a flat array sorted by row; ``[n] -> [n_rows + 1]``."""
    return np.searchsorted(row, np.arange(n_rows + 1)).astype(np.int64)


def last_of_each_row(row: IntArray, n_rows: int, count: int) -> BoolArray:
    """Mask of the last ``count`` entries of every row; ``row`` is sorted, shape ``[n]``."""
    stops = offsets_of(row, n_rows)[1:]
    return np.arange(len(row)) >= stops[row] - count


def largest_of_each_row(row: IntArray, value: FloatArray, n_rows: int, count: int) -> BoolArray:
    """Mask of the ``count`` largest values of every row; among equals the later entry wins.

    Shapes: row ``[n]`` (sorted), value ``[n]`` -> ``[n]``.
    """
    keep = np.ones(len(row), dtype=bool)
    crowded = np.flatnonzero((np.bincount(row, minlength=n_rows) > count)[row])
    # Sorted upwards, so that the later of two equals stands nearer to the end of its row.
    order = crowded[np.lexsort((value[crowded], row[crowded]))]
    keep[order] = last_of_each_row(row[order], n_rows, count)
    return keep
