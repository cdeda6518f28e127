"""Sequential rules as evidence for a trained model: what followed the last click, as SR counts it.

:class:`~recbole_a2d.models.neighbours.rules.RuleScorer` has the formula.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.evidence import Evidence
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.rules import RuleScorer, pairs
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer

Weights = NDArray[np.float64]


class SessionRules(Evidence):
    """Weights of the rules from the last known click.

    Args:
        train: training sessions in time order, item ids 1..n_items - 1.
        n_items: number of item ids, pad included.
        max_steps: largest distance of two clicks that make a rule.
    """

    title = "what followed the last click"

    def __init__(self, train: Sessions, n_items: int, max_steps: int = 10) -> None:
        super().__init__()
        self.stored = StoredScorer(RuleScorer(max_steps), train, n_items)

    def weights(self, prefixes: Tensor, lengths: Tensor) -> csr_matrix:
        """See :class:`Evidence`."""
        scorer = self.stored.scorer
        padded = (prefixes.cpu().numpy(), lengths.cpu().numpy())
        return scorer.sparse_scores(KnownClicks.of_padded(*padded, scorer.known))

    def target_weights(self, rows: PrefixRows) -> Tensor:
        """See :class:`Evidence`."""
        n_items, sessions = self.stored.n_items, rows.sessions
        rules = _Rules.of(sessions, self.stored.scorer.max_steps)
        last, targets = sessions.items[rows.end - 1], sessions.items[rows.end]
        of_target = rules.before(
            rules.item * n_items + rules.follower, last * n_items + targets, rows.session
        )
        of_all = rules.before(rules.item, last, rows.session)
        return torch.from_numpy(np.stack([of_target, of_all], axis=1).astype(np.float32))


class _Rules(NamedTuple):
    """Every rule of every session: ``[rules]`` each."""

    item: IntArray
    follower: IntArray
    session: IntArray
    weight: Weights

    @classmethod
    def of(cls, sessions: Sessions, max_steps: int) -> _Rules:
        """All pairs of clicks at most ``max_steps`` apart."""
        found = []
        for steps in range(1, max_steps + 1):
            earlier, later = pairs(sessions, steps)
            items, session = sessions.items, sessions.session_of_click
            weight = np.full(len(earlier), 1 / steps)
            found.append((items[earlier], items[later], session[earlier], weight))
        return cls(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def before(self, kinds: IntArray, wanted: IntArray, session: IntArray) -> Weights:
        """Weight of the rules of the wanted kinds in sessions before those given; ``[rows]``."""
        span = int(self.session.max(initial=0)) + 1
        moments = kinds * span + self.session
        order = np.argsort(moments, kind="stable")
        moments, sums = moments[order], np.concatenate([[0.0], np.cumsum(self.weight[order])])
        first = np.searchsorted(moments, wanted * span)
        return sums[np.searchsorted(moments, wanted * span + session)] - sums[first]
