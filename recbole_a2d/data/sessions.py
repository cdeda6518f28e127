"""Ragged click sessions as two flat arrays, the form every stage hands to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Sessions:
    """Sessions in time order, each a run of clicks in click order.

    Attributes:
        items: item id of every click, all sessions end to end; shape ``[clicks]``.
        offsets: session ``s`` is ``items[offsets[s]:offsets[s + 1]]``; shape ``[sessions + 1]``.
    """

    items: IntArray
    offsets: IntArray

    def __post_init__(self) -> None:
        if len(self.offsets) == 0 or self.offsets[0] != 0 or self.offsets[-1] != len(self.items):
            raise ValueError("offsets must start at 0 and end at the number of clicks")

    @classmethod
    def from_lists(cls, sessions: Iterable[Sequence[int]]) -> Sessions:
        """Build from a list of item lists."""
        lists = [np.asarray(session, dtype=np.int64) for session in sessions]
        lengths = np.array([len(session) for session in lists], dtype=np.int64)
        return cls.from_lengths(np.concatenate([*lists, np.empty(0, np.int64)]), lengths)

    @classmethod
    def from_lengths(cls, items: IntArray, lengths: IntArray) -> Sessions:
        """Build from flat clicks and the length of each session."""
        return cls(items, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, session: int) -> IntArray:
        return self.items[self.offsets[session] : self.offsets[session + 1]]

    @property
    def lengths(self) -> IntArray:
        """Clicks of each session, shape ``[sessions]``."""
        return np.diff(self.offsets)

    @property
    def session_of_click(self) -> IntArray:
        """Session index of every click, shape ``[clicks]``."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def clicks_before(self, steps: int) -> IntArray:
        """Clicks that another follows ``steps`` clicks later in their session; ``[pairs]``."""
        session = self.session_of_click
        return np.flatnonzero(session[:-steps] == session[steps:])

    @property
    def rows(self) -> int:
        """How many (prefix, target) rows the sessions make: every click but the first."""
        return int(np.maximum(self.lengths - 1, 0).sum())

    def item_counts(self, n_items: int) -> IntArray:
        """Clicks of every item id, shape ``[n_items]``.

        Raises:
            ValueError: an item id outside 1..n_items - 1.
        """
        if len(self.items) and not 1 <= self.items.min() <= self.items.max() < n_items:
            raise ValueError(f"item ids must lie in 1..{n_items - 1}")
        return np.bincount(self.items, minlength=n_items)

    def slice(self, start: int, stop: int) -> Sessions:
        """Sessions ``start`` to ``stop`` (exclusive)."""
        offsets = self.offsets[start : stop + 1]
        return Sessions(self.items[offsets[0] : offsets[-1]], offsets - offsets[0])

    def append(self, later: Sessions) -> Sessions:
        """These sessions followed by later ones."""
        return Sessions(
            np.concatenate([self.items, later.items]),
            np.concatenate([self.offsets, later.offsets[1:] + self.offsets[-1]]),
        )
