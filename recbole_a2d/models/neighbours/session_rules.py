"""Sequential rules as a probability that knows how much it has seen, for a trained model's use.

What followed the last click in the training sessions, as SR counts it
(:class:`~recbole_a2d.models.neighbours.rules.RuleScorer`): with n(a, i) the weight of all rules
from a to i and n(a) that of all rules from a,

.. math:: p(i \\mid a) = \\frac{n(a, i)}{n(a) + \\kappa}

and the rest, kappa / (n(a) + kappa), is left to what the rules are mixed with: a rule seen twice
says little, one seen a hundred times much. The pseudo-count kappa is learned.

A training row is told what earlier sessions say and nothing of its own or later ones, as in
:mod:`~recbole_a2d.models.neighbours.votes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.rules import RuleScorer, pairs
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer

Weights = NDArray[np.float64]


class FoundRules(NamedTuple):
    """What the rules say of a batch.

    Attributes:
        row, item: of each rule, ``[rules]``; an item once a row.
        probability: of the item, ``[rules]``.
        log_rest: log of what is left to the others in each row, ``[B]``.
    """

    row: Tensor
    item: Tensor
    probability: Tensor
    log_rest: Tensor

    def add_to(self, scores: Tensor, odds: Tensor) -> Tensor:
        """Add the rules to a mixture given by its logs up to a constant of each row, in place.

        Shapes: scores ``[B, N + 1]``, odds ``[B]``: log of the rules' weight, less the constant.
        """
        rules = self.probability.log() + odds[self.row]
        scores[self.row, self.item] = torch.logaddexp(scores[self.row, self.item], rules)
        return scores


class SessionRules(nn.Module):
    """Next-item distribution by the rules of the training sessions.

    The training sessions are saved with the model that holds this.

    Args:
        train: training sessions in time order, item ids 1..n_items - 1.
        n_items: number of item ids, pad included.
        max_steps: largest distance of two clicks that make a rule.
    """

    def __init__(self, train: Sessions, n_items: int, max_steps: int = 10) -> None:
        super().__init__()
        self.log_kappa = nn.Parameter(torch.zeros(()))
        self.stored = StoredScorer(RuleScorer(max_steps), train, n_items)

    def forward(self, prefixes: Tensor, lengths: Tensor) -> FoundRules:
        """All rules from the last known clicks; shapes: prefixes ``[B, T]``, lengths ``[B]``."""
        scorer = self.stored.scorer
        padded = (prefixes.cpu().numpy(), lengths.cpu().numpy())
        found = scorer.sparse_scores(KnownClicks.of_padded(*padded, scorer.known)).tocoo()
        row, item = (torch.from_numpy(one).to(prefixes).long() for one in (found.row, found.col))
        weights = torch.from_numpy(found.data).to(self.log_kappa)
        sums = weights.new_zeros(len(prefixes)).index_add_(0, row, weights)
        return FoundRules(row, item, self.probability(weights, sums[row]), self.log_rest(sums))

    def probability(self, weights: Tensor, sums: Tensor) -> Tensor:
        """Of items that rules of these weights lead to, given those of all from the same click."""
        return weights / (sums + self.log_kappa.exp())

    def log_rest(self, sums: Tensor) -> Tensor:
        """Log of what the rules leave to the others, given the weight of all from a click."""
        return self.log_kappa - (sums + self.log_kappa.exp()).log()

    def target_weights(self, rows: PrefixRows) -> Tensor:
        """What earlier sessions' rules say of each training row: of its target, of all items.

        Args:
            rows: rows of the very training sessions this was built from.

        Returns:
            Weights ``[rows, 2]``.
        """
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
