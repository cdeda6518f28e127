"""The clicks of a batch of prefixes that a training log can say something about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recbole_a2d.data.sessions import IntArray
from recbole_a2d.models.neighbours.ragged import BoolArray, expand, offsets_of


@dataclass(frozen=True)
class KnownClicks:
    """Known clicks of ``rows`` prefixes, end to end; unknown ones are gone without a gap.

    Attributes:
        row: prefix of each click, ascending; shape ``[clicks]``.
        item: item id of each click; shape ``[clicks]``.
        position: 1-based position among the known clicks of its prefix; shape ``[clicks]``.
        length: known clicks of each prefix, l(s); shape ``[rows]``.
    """

    row: IntArray
    item: IntArray
    position: IntArray
    length: IntArray

    @classmethod
    def of(cls, row: IntArray, item: IntArray, n_rows: int, known: BoolArray) -> KnownClicks:
        """Keep the clicks on known items; ``known`` has shape ``[n_items]``."""
        if len(item) and not 0 <= item.min() <= item.max() < len(known):
            raise ValueError(f"item ids of a prefix must lie in 0..{len(known) - 1}")
        row, item = row[known[item]], item[known[item]]
        offsets = offsets_of(row, n_rows)
        position = np.arange(len(row)) - offsets[row] + 1
        return cls(row, item, position, np.diff(offsets))

    @classmethod
    def of_padded(cls, prefixes: IntArray, lengths: IntArray, known: BoolArray) -> KnownClicks:
        """From prefixes ``[B, T]``, left-aligned, and their lengths ``[B]``."""
        inside = np.arange(prefixes.shape[1]) < lengths[:, None]
        return cls.of(np.nonzero(inside)[0], prefixes[inside], len(prefixes), known)

    @classmethod
    def of_ranges(
        cls, items: IntArray, start: IntArray, end: IntArray, known: BoolArray
    ) -> KnownClicks:
        """Prefix r is ``items[start[r]:end[r]]``; start and end ``[rows]``."""
        row = np.repeat(np.arange(len(start)), end - start)
        return cls.of(row, items[expand(start, end - start)], len(start), known)

    @property
    def rows(self) -> int:
        """Number of prefixes, empty ones included."""
        return len(self.length)

    def last_items(self, before: int = 0) -> IntArray:
        """Item of the last known click of every prefix, or of that so many before it; ``[rows]``.

        0 where there is none.
        """
        items = np.zeros(self.rows, dtype=np.int64)
        chosen = self.position == self.length[self.row] - before
        items[self.row[chosen]] = self.item[chosen]
        return items

    def last_occurrences(self) -> KnownClicks:
        """One click for each distinct item of a prefix, the last; lengths stay those of clicks."""
        key = self.row * (int(self.item.max(initial=0)) + 1) + self.item
        _, from_the_end = np.unique(key[::-1], return_index=True)
        last = np.sort(len(key) - 1 - from_the_end)
        return KnownClicks(self.row[last], self.item[last], self.position[last], self.length)

    def slice(self, start: int, stop: int) -> KnownClicks:
        """Prefixes ``start`` to ``stop`` (exclusive)."""
        first, last = np.searchsorted(self.row, [start, stop])
        return KnownClicks(
            self.row[first:last] - start,
            self.item[first:last],
            self.position[first:last],
            self.length[start:stop],
        )
