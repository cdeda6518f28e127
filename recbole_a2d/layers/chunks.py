"""Large arrays worked on a few rows at a time, so that they stay in cache between passes."""

from __future__ import annotations

from collections.abc import Iterator


def row_chunks(rows: int, bytes_per_row: int, budget: int, least: int = 1) -> Iterator[slice]:
    """Slices that cover ``rows`` rows, each of about ``budget`` bytes but no fewer than ``least``.

    Args:
        rows: how many there are.
        bytes_per_row: of all that a row holds while it is worked on.
        budget: bytes at a time.
        least: rows at a time, however large they are.
    """
    size = max(least, budget // bytes_per_row)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
