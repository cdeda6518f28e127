"""SKNN, VSKNN, STAN and VSTAN: the nearest training sessions vote for their items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.base import ScoreArray, Scorer
from recbole_a2d.models.neighbours.neighbor_search import Neighbors, candidates, nearest
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.ragged import expand, offsets_of
from recbole_a2d.models.neighbours.session_index import SessionIndex
from recbole_a2d.models.neighbours.similarity import NeighborRule

MATCHES_AT_ONCE = 2_000_000
"""Pairs of a prefix click and a training session held in memory at a time."""


class SessionKNN(Scorer):
    """Votes of the k nearest training sessions for the items they hold.

    ``score(i) = sum over neighbors n of similarity(s, n) * step weight * distance weight * idf``

    Args:
        rule: the method, see `recbole_a2d.models.neighbours.similarity`.
        neighbors: k, how many of the nearest sessions vote.
        sample_size: only so many of the most recent sessions that share an item with the prefix
            are candidates; None or 0 = all of them.
    """

    def __init__(
        self, rule: NeighborRule, neighbors: int = 500, sample_size: int | None = None
    ) -> None:
        self.rule = rule
        self.neighbors = neighbors
        self.sample_size = sample_size

    def _count(self, train: Sessions) -> None:
        self.index = SessionIndex.build(train, len(self.popularity))
        self._distance_weights = self.rule.distance_weights(int(self.index.length.max(initial=0)))
        factor = np.ones(self.index.n_items)
        if self.rule.inverse_frequency:
            factor = self.index.inverse_frequency()
        by_distance = self.rule.distance_scale is not None
        runs = np.arange(len(self.index.item) + 1) if by_distance else self.index.of_session
        self._items = sparse.csr_matrix(
            (factor[self.index.item], self.index.item, runs),
            shape=(len(runs) - 1, self.index.n_items),
        )

    def _scores(self, clicks: KnownClicks) -> ScoreArray:
        scores: ScoreArray = self.votes(clicks).astype(np.float32).toarray()
        return scores

    def votes(self, clicks: KnownClicks, own_session: IntArray | None = None) -> sparse.csr_matrix:
        """Votes as a sparse float64 matrix ``[rows, n_items]`` without stored zeros.

        Args:
            clicks: known clicks of the prefixes.
            own_session: training session that each prefix was cut from, shape ``[rows]``: its
                rank is the row's time, and only sessions before it vote. None = the prefixes
                come after all training sessions.
        """
        now = np.full(clicks.rows, self.index.sessions) if own_session is None else own_session
        parts = [
            self._votes(clicks.slice(start, stop), now[start:stop])
            for start, stop in self._chunks(clicks, now)
        ]
        return sparse.vstack(parts, format="csr")

    @property
    def _per_item(self) -> int | None:
        """No older session of an item is in a sample of the most recent that share any item."""
        return self.sample_size or None

    def _chunks(self, clicks: KnownClicks, now: IntArray) -> Iterator[tuple[int, int]]:
        """Row ranges that keep the number of matches, and so the memory, in bounds."""
        _, found = self.index.most_recent(clicks.item, now[clicks.row], self._per_item)
        matches = np.bincount(clicks.row, weights=found, minlength=clicks.rows)
        chunk = np.cumsum(matches) // MATCHES_AT_ONCE
        cuts = np.flatnonzero(np.diff(chunk)) + 1
        bounds = [0, *cuts.tolist(), clicks.rows]
        return zip(bounds[:-1], bounds[1:], strict=True)

    def _votes(self, clicks: KnownClicks, now: IntArray) -> sparse.csr_matrix:
        found = candidates(self.index, clicks, self.rule, now, self._per_item)
        voters = nearest(found, clicks.rows, self.neighbors, self.sample_size)
        if self.rule.distance_scale is None:
            votes = self._ballots(voters, clicks.rows) @ self._items
        else:
            votes = self._ballots_by_distance(voters, clicks.rows) @ self._items
        votes.eliminate_zeros()
        return votes

    def _ballots(self, voters: Neighbors, n_rows: int) -> sparse.csr_matrix:
        """What each neighbor gives every item it holds; ``[n_rows, sessions]``."""
        weight = voters.similarity * self.rule.step_weight(voters.steps)
        offsets = offsets_of(voters.row, n_rows)
        shape = (n_rows, self.index.sessions)
        return sparse.csr_matrix((weight, voters.session, offsets), shape=shape)

    def _ballots_by_distance(self, voters: Neighbors, n_rows: int) -> sparse.csr_matrix:
        """What each neighbor gives each of its entries, less far from i*; ``[rows, entries]``."""
        index = self.index
        counts = np.diff(index.of_session)[voters.session]
        entry = expand(index.of_session[voters.session], counts)
        match = np.repeat(index.position[voters.match], counts)
        weight = np.repeat(voters.similarity * self.rule.step_weight(voters.steps), counts)
        weight *= self._distance_weights[np.abs(index.position[entry] - match)]
        offsets = np.append(0, np.cumsum(counts))[offsets_of(voters.row, n_rows)]
        return sparse.csr_matrix((weight, entry, offsets), shape=(n_rows, len(index.item)))
