"""Transition graphs of items and of categories (Eq. 1-2), from training sessions alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class TransitionCounts:
    """Directed counts of consecutive clicks, sorted by source, then target.

    Attributes:
        source, target: the nodes of each edge, ``[edges]``.
        count: how often ``source`` was followed by ``target``, ``[edges]``.
        nodes: number of nodes, the pad 0 included.
    """

    source: IntArray
    target: IntArray
    count: IntArray
    nodes: int


@dataclass(frozen=True)
class NeighborTable:
    """The strongest neighbours of each node, strongest first, 0 where there are fewer.

    Attributes:
        neighbors: node ids, ``[nodes, K]``.
        counts: count of each edge, ``[nodes, K]``; 0 on empty places.
        totals: sum of the counts of ALL edges of a node (the denominator of Eq. 1), ``[nodes]``.
    """

    neighbors: IntArray
    counts: IntArray
    totals: IntArray

    @property
    def weights(self) -> FloatArray:
        """Normalised edge weights of Eq. 1, ``[nodes, K]``."""
        return (self.counts / np.maximum(self.totals, 1)[:, None]).astype(np.float32)


def consecutive_pairs(sessions: Sessions) -> tuple[IntArray, IntArray]:
    """All pairs of consecutive clicks inside a session, pairs with an unknown (0) left out."""
    earlier = sessions.clicks_before(1)
    source, target = sessions.items[earlier], sessions.items[earlier + 1]
    known = (source > 0) & (target > 0)
    return source[known], target[known]


def count_transitions(
    sessions: Sessions, nodes: int, *, direction: str = "out", keep_self: bool = False
) -> TransitionCounts:
    """Count transitions; ``direction`` says what a node's neighbours are.

    Args:
        sessions: training sessions (of items, or of the items' categories).
        nodes: number of nodes, the pad 0 included.
        direction: ``out``: successors (Eq. 1), ``in``: predecessors, ``both``: the two added.
        keep_self: keep a node followed by itself.
    """
    source, target = consecutive_pairs(sessions)
    if not keep_self:
        differs = source != target
        source, target = source[differs], target[differs]
    if direction == "in":
        source, target = target, source
    elif direction == "both":
        source, target = np.concatenate([source, target]), np.concatenate([target, source])
    key, count = np.unique(source * nodes + target, return_counts=True)
    return TransitionCounts(key // nodes, key % nodes, count.astype(np.int64), nodes)


def strongest_neighbors(edges: TransitionCounts, limit: int | None) -> NeighborTable:
    """Keep each node's ``limit`` most frequent neighbours (all where ``limit`` is None).

    Ties go to the smaller id, so that the table does not depend on the order of edges.
    """
    order = np.lexsort((edges.target, -edges.count, edges.source))
    source, target, count = edges.source[order], edges.target[order], edges.count[order]
    degree = np.bincount(source, minlength=edges.nodes)
    first = np.concatenate([[0], np.cumsum(degree)[:-1]])
    place = np.arange(len(source)) - first[source]
    width = max(int(degree.max(initial=0)) if limit is None else limit, 1)
    kept = place < width
    neighbors = np.zeros((edges.nodes, width), np.int64)
    counts = np.zeros((edges.nodes, width), np.int64)
    neighbors[source[kept], place[kept]] = target[kept]
    counts[source[kept], place[kept]] = count[kept]
    totals = np.bincount(source, weights=count, minlength=edges.nodes).astype(np.int64)
    return NeighborTable(neighbors, counts, totals)


def category_sessions(sessions: Sessions, category_of_item: IntArray) -> Sessions:
    """The sessions with every item replaced by its category (0 where it has none)."""
    return Sessions(category_of_item[sessions.items], sessions.offsets)


def own_transition_counts(
    rows: PrefixRows, direction: str = "out", *, keep_self: bool = False
) -> IntArray:
    """What each row's session itself adds to the edge last click -> target, ``[rows]``.

    Subtracting it leaves what the OTHER training sessions know of that edge: the item graph would
    otherwise hand every training row its answer as a neighbour.

    Args:
        rows: training rows.
        direction, keep_self: as for :func:`count_transitions`.
    """
    session, items = rows.sessions.session_of_click, rows.sessions.items
    nodes = int(items.max(initial=0)) + 1
    before = rows.sessions.clicks_before(1)
    steps = (session[before] * nodes + items[before]) * nodes + items[before + 1]
    made, counts = np.unique(steps, return_counts=True)

    def count(source: IntArray, target: IntArray) -> IntArray:
        wanted = (rows.session * nodes + source) * nodes + target
        place = np.searchsorted(made, wanted).clip(max=len(made) - 1)
        return np.where(made[place] == wanted, counts[place], 0)

    last, targets = items[rows.end - 1], items[rows.end]
    ways = {"out": [(last, targets)], "in": [(targets, last)]}
    ways["both"] = [*ways["out"], *ways["in"]]
    found = np.sum([count(*way) for way in ways[direction]], axis=0, dtype=np.int64)
    return found if keep_self else np.where(last == targets, 0, found)
