"""ItemKNN and SR: items that follow or accompany the last click."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.base import ScoreArray, Scorer
from recbole_a2d.models.neighbours.prefixes import KnownClicks


class Rules(NamedTuple):
    """Rules of sessions and what they weigh; ``[rules]`` each."""

    context: IntArray
    follower: IntArray
    session: IntArray
    weight: NDArray[np.float64]


class LastClickScorer(Scorer):
    """Scores are the row of one matrix that belongs to the last known click."""

    def _count(self, train: Sessions) -> None:
        self._rules = self._matrix(train).astype(np.float32)

    @abstractmethod
    def _matrix(self, train: Sessions) -> sparse.csr_matrix:
        """Row i holds the scores of all items after a click on i; ``[n_items, n_items]``."""

    def sparse_scores(self, clicks: KnownClicks) -> sparse.csr_matrix:
        """Scores of each prefix, zeros left out; ``[rows, n_items]``."""
        return self._rules[self._row_of(clicks)]

    def _row_of(self, clicks: KnownClicks) -> IntArray:
        return clicks.last_items()

    def _scores(self, clicks: KnownClicks) -> ScoreArray:
        scores: ScoreArray = self.sparse_scores(clicks).toarray()
        return scores


class CooccurrenceScorer(LastClickScorer):
    """ItemKNN: regularised cosine between the session sets of two items.

    With c_i the training sessions that hold item i and c_ij those that hold both,
    ``score(j | i) = c_ij / sqrt((c_i + r) (c_j + r))`` for j != i, and 0 for j = i.
    Source: Hidasi et al., ICLR 2016 (their item-KNN baseline), r = 20.

    Args:
        regularisation: r, in sessions; takes weight from coincidences of rare items.
    """

    def __init__(self, regularisation: float = 20.0) -> None:
        self.regularisation = regularisation

    def _matrix(self, train: Sessions) -> sparse.csr_matrix:
        holds = _holds(train, len(self.popularity))
        sessions_of_item = np.asarray(holds.sum(axis=0)).ravel()
        # At least 1 only matters for items never seen, whose row is empty anyway.
        support = np.maximum(sessions_of_item, 1) + self.regularisation
        scale = sparse.diags(1 / np.sqrt(support))
        shared = (holds.T @ holds).tocsr()
        shared.setdiag(0)
        shared.eliminate_zeros()
        return (scale @ shared @ scale).tocsr()


class RuleScorer(LastClickScorer):
    """SR: every pair of clicks at most ``max_steps`` apart is a rule of weight 1 / steps.

    Source: Kamehkhosh et al., RecTemp 2017, sequential rules.

    Args:
        max_steps: largest distance b - a of two clicks that make a rule.
    """

    def __init__(self, max_steps: int = 10) -> None:
        self.max_steps = max_steps

    def contexts(self, sessions: Sessions) -> IntArray:
        """What a rule from each click starts with, as a number; ``[clicks]``.

        Numbers from ``context_count`` on start no rule.
        """
        return sessions.items

    @property
    def context_count(self) -> int:
        """How many contexts there are."""
        return len(self.popularity)

    def rules(self, train: Sessions) -> Iterator[Rules]:
        """All rules of the sessions that were counted, by steps."""
        contexts, items, session = self.contexts(train), train.items, train.session_of_click
        for steps in range(1, self.max_steps + 1):
            first = train.clicks_before(steps)
            first = first[contexts[first] < self.context_count]
            weight = np.full(len(first), 1 / steps)
            yield Rules(contexts[first], items[first + steps], session[first], weight)

    def _matrix(self, train: Sessions) -> sparse.csr_matrix:
        # One row more, for whatever starts no rule.
        shape = (self.context_count + 1, len(self.popularity))
        matrix = sparse.csr_matrix(shape, dtype=np.float64)
        for found in self.rules(train):
            rules = (found.context, found.follower)
            matrix = matrix + sparse.csr_matrix((found.weight, rules), shape=shape)
        return matrix


class PairRuleScorer(RuleScorer):
    """The same after the last two known clicks, in their order; silent where one alone is known."""

    def _count(self, train: Sessions) -> None:
        followed = train.clicks_before(1)
        self._pairs = np.unique(self._codes(train.items[followed], train.items[followed + 1]))
        super()._count(train)

    def contexts(self, sessions: Sessions) -> IntArray:
        """See :class:`RuleScorer`."""
        before = np.zeros_like(sessions.items)
        followed = sessions.clicks_before(1)
        before[followed + 1] = sessions.items[followed]
        return self._numbers(before, sessions.items)

    @property
    def context_count(self) -> int:
        """See :class:`RuleScorer`."""
        return len(self._pairs)

    def _row_of(self, clicks: KnownClicks) -> IntArray:
        return self._numbers(clicks.last_items(before=1), clicks.last_items())

    def _numbers(self, before: IntArray, last: IntArray) -> IntArray:
        """Of pairs of items; ``context_count`` for those that no training session holds."""
        codes = self._codes(before, last)
        numbers = np.searchsorted(self._pairs, codes)
        known = np.searchsorted(self._pairs, codes, side="right") > numbers
        return np.where(known, numbers, len(self._pairs))

    def _codes(self, before: IntArray, last: IntArray) -> IntArray:
        return before * len(self.popularity) + last


def _holds(train: Sessions, n_items: int) -> sparse.csr_matrix:
    """Binary session x item matrix."""
    ones = np.ones(len(train.items))
    shape = (len(train), n_items)
    holds = sparse.csr_matrix((ones, (train.session_of_click, train.items)), shape=shape)
    holds.data[:] = 1
    return holds
