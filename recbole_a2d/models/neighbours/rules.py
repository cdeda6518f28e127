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


class LastClickScorer(Scorer):
    """Scores are the row of one item x item matrix that belongs to the last known click."""

    def _count(self, train: Sessions) -> None:
        self._rules = self._item_matrix(train).astype(np.float32)

    @abstractmethod
    def _item_matrix(self, train: Sessions) -> sparse.csr_matrix:
        """Row i holds the scores of all items after a click on i; ``[n_items, n_items]``."""

    def sparse_scores(self, clicks: KnownClicks) -> sparse.csr_matrix:
        """Scores of each prefix, zeros left out; ``[rows, n_items]``."""
        return self._rules[clicks.last_items()]

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

    def _item_matrix(self, train: Sessions) -> sparse.csr_matrix:
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

    def _item_matrix(self, train: Sessions) -> sparse.csr_matrix:
        n_items = len(self.popularity)
        rules = sparse.csr_matrix((n_items, n_items), dtype=np.float64)
        for found in rules_by_steps(train, self.max_steps):
            clicks = (found.item, found.follower)
            rules = rules + sparse.csr_matrix((found.weight, clicks), shape=rules.shape)
        return rules


def _holds(train: Sessions, n_items: int) -> sparse.csr_matrix:
    """Binary session x item matrix."""
    ones = np.ones(len(train.items))
    shape = (len(train), n_items)
    holds = sparse.csr_matrix((ones, (train.session_of_click, train.items)), shape=shape)
    holds.data[:] = 1
    return holds


class Rules(NamedTuple):
    """Pairs of clicks of one session and what they weigh; ``[rules]`` each."""

    item: IntArray
    follower: IntArray
    session: IntArray
    weight: NDArray[np.float64]


def rules_by_steps(train: Sessions, max_steps: int) -> Iterator[Rules]:
    """All pairs of clicks 1, 2, ... ``max_steps`` apart in one session, of weight 1 / steps."""
    items, session = train.items, train.session_of_click
    for steps in range(1, max_steps + 1):
        earlier = train.clicks_before(steps)
        weight = np.full(len(earlier), 1 / steps)
        yield Rules(items[earlier], items[earlier + steps], session[earlier], weight)
