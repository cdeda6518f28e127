"""The k training sessions nearest to each prefix."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from recbole_a2d.data.sessions import IntArray
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.ragged import (
    BoolArray,
    FloatArray,
    expand,
    largest_of_each_row,
    last_of_each_row,
    runs,
)
from recbole_a2d.models.neighbours.session_index import SessionIndex
from recbole_a2d.models.neighbours.similarity import NeighborRule


@dataclass(frozen=True)
class Neighbors:
    """Training sessions that share an item with a prefix, by prefix and then by age.

    Attributes:
        row: prefix, ascending; shape ``[neighbors]``.
        session: training session, ascending within a prefix; shape ``[neighbors]``.
        similarity: similarity of the two; shape ``[neighbors]``.
        steps: clicks between i* and the end of the prefix; shape ``[neighbors]``.
        match: entry of i* in the session index; shape ``[neighbors]``.
    """

    row: IntArray
    session: IntArray
    similarity: FloatArray
    steps: IntArray
    match: IntArray

    def where(self, keep: BoolArray) -> Neighbors:
        """Only those that ``keep`` names, shape ``[neighbors]``."""
        return Neighbors(*(getattr(self, field.name)[keep] for field in fields(self)))


def candidates(
    index: SessionIndex,
    clicks: KnownClicks,
    rule: NeighborRule,
    now: IntArray,
    per_item: int | None = None,
) -> Neighbors:
    """Every training session before a prefix that shares an item with it.

    Args:
        index: the training sessions.
        clicks: the prefixes; repeated items count at their last position.
        rule: how the overlap becomes a similarity.
        now: time of each prefix, as a rank among the training sessions; shape ``[rows]``.
        per_item: look only at so many of the most recent sessions of each item.
    """
    last = clicks.last_occurrences()
    weight = rule.click_weight(last.position, last.length[last.row])
    click, entry = _matches(index, last, now, per_item)
    row, session = last.row[click], index.session[entry]
    # Runs of one (row, session), in each the prefix's most recent shared item last.
    starts, lasts = runs(row * max(index.sessions, 1) + session)
    row, session = row[starts], session[starts]
    overlap = np.add.reduceat(weight[click], starts) if len(starts) else np.empty(0)
    similarity = rule.normaliser(overlap, clicks.length[row], index.length[session])
    if rule.age_scale is not None:
        age = np.abs(now[row] - session) / index.sessions
        similarity = similarity * np.exp(-age / rule.age_scale)
    steps = clicks.length[row] - last.position[click[lasts]]
    return Neighbors(row, session, similarity, steps, entry[lasts])


def _matches(
    index: SessionIndex, last: KnownClicks, now: IntArray, per_item: int | None
) -> tuple[IntArray, IntArray]:
    """All (prefix click, session entry) pairs on one item, by prefix, session, position."""
    starts, counts = index.most_recent(last.item, now[last.row], per_item)
    click = np.repeat(np.arange(len(last.item)), counts)
    entry = index.by_item[expand(starts, counts)]
    candidate = last.row[click] * max(index.sessions, 1) + index.session[entry]
    order = np.argsort(candidate * (int(last.position.max(initial=0)) + 1) + last.position[click])
    return click[order], entry[order]


def nearest(found: Neighbors, n_rows: int, neighbors: int, sample_size: int | None) -> Neighbors:
    """The nearest of the ``sample_size`` most recent candidates; ties go to the more recent."""
    if sample_size:
        found = found.where(last_of_each_row(found.row, n_rows, sample_size))
    return found.where(largest_of_each_row(found.row, found.similarity, n_rows, neighbors))
