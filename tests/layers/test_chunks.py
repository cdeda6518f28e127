"""Chunks of rows."""

from __future__ import annotations

import pytest

from recbole_a2d.layers.chunks import row_chunks


@pytest.mark.parametrize(
    ("budget", "least", "sizes"),
    [(30, 1, [3, 3, 1]), (5, 1, [1] * 7), (5, 4, [4, 3]), (999, 1, [7])],
)
def test_every_row_once_and_no_chunk_over_the_budget(
    budget: int, least: int, sizes: list[int]
) -> None:
    chunks = list(row_chunks(7, 10, budget, least))
    assert [len(range(7)[chunk]) for chunk in chunks] == sizes
    assert [row for chunk in chunks for row in range(7)[chunk]] == list(range(7))
