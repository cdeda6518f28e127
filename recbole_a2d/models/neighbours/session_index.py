"""Training sessions as (session, item) entries that can be walked from either side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.ragged import FloatArray, offsets_of


@dataclass(frozen=True)
class SessionIndex:
    """One entry for each distinct item of each training session, in session order.

    Attributes:
        session: session of each entry, ascending; shape ``[entries]``.
        item: item of each entry; shape ``[entries]``.
        position: 1-based position of the item's last click in the session; ``[entries]``.
        of_session: entries of session n are ``of_session[n]..of_session[n + 1]``.
        by_item: entries sorted by item, then by session; shape ``[entries]``.
        of_item: entries of item i are ``by_item[of_item[i]:of_item[i + 1]]``.
        length: clicks of each session, l(n); shape ``[sessions]``.
    """

    session: IntArray
    item: IntArray
    position: IntArray
    of_session: IntArray
    by_item: IntArray
    of_item: IntArray
    length: IntArray

    @classmethod
    def build(cls, train: Sessions, n_items: int) -> SessionIndex:
        """Index the training sessions; ``n_items`` includes the pad id 0."""
        everything = np.ones(n_items, dtype=bool)
        clicks = KnownClicks.of(train.session_of_click, train.items, len(train), everything)
        last = clicks.last_occurrences()
        by_item = np.argsort(last.item, kind="stable")
        return cls(
            session=last.row,
            item=last.item,
            position=last.position,
            of_session=offsets_of(last.row, len(train)),
            by_item=by_item,
            of_item=offsets_of(last.item[by_item], n_items),
            length=train.lengths,
        )

    @property
    def sessions(self) -> int:
        """Number of training sessions."""
        return len(self.length)

    @property
    def n_items(self) -> int:
        """Number of items, pad included."""
        return len(self.of_item) - 1

    @property
    def support(self) -> IntArray:
        """Sessions that hold each item, shape ``[n_items]``."""
        return np.diff(self.of_item)

    def most_recent(
        self, item: IntArray, now: IntArray, limit: int | None
    ) -> tuple[IntArray, IntArray]:
        """Where the sessions before a time that hold an item stand in ``by_item``.

        Args:
            item: items, ``[n]``.
            now: times, as ranks among the sessions, ``[n]``.
            limit: at most so many, the most recent ones; None = no limit.

        Returns:
            The first place and the number of places, ``[n]`` each.
        """
        stops = np.searchsorted(self._item_and_session, item * (self.sessions + 1) + now)
        counts = stops - self.of_item[item]
        if limit is not None:
            counts = np.minimum(counts, limit)
        return stops - counts, counts

    @cached_property
    def _item_and_session(self) -> IntArray:
        """One number for the item and the session of each place of ``by_item``, ascending."""
        return self.item[self.by_item] * (self.sessions + 1) + self.session[self.by_item]

    def inverse_frequency(self) -> FloatArray:
        """``log(sessions / sessions holding the item)``, 0 for items never seen; ``[n_items]``."""
        support = np.where(self.support > 0, self.support, max(self.sessions, 1))
        factor: FloatArray = np.log(max(self.sessions, 1) / support)
        return factor
