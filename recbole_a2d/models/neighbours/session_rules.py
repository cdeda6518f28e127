r"""Sequential rules set against a trained model's answer, with as much weight as they have earned.

What followed the last click in the training sessions, as SR counts it
(:class:`~recbole_a2d.models.neighbours.rules.RuleScorer`): with n(a, i) the weight of all rules
from a to i and n(a) that of all rules from a,

.. math:: p(i) = (1 - g \frac{n(a)}{n(a) + \kappa}) p_{model}(i) + g \frac{n(a, i)}{n(a) + \kappa}

A rule seen twice says little, one seen a hundred times much: the pseudo-count kappa is learned,
and the weight g of each session from what the model knows of it.

The model learns as it would without rules, and kappa and g learn from what it says: were all
learned by one loss, what the rules explain already would teach the model nothing, and it
is the model that has to know of clicks of which no rule tells.

A training row is told what earlier sessions say and nothing of its own or later ones, as in
:mod:`~recbole_a2d.models.neighbours.votes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.rules import RuleScorer, pairs
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer

Weights = NDArray[np.float64]


_LEAST = 1e-30
"""Stands for a weight of zero, whose logarithm has no gradient."""


class FoundRules(NamedTuple):
    """What the rules say of a batch.

    Attributes:
        row, item: of each rule, ``[rules]``; an item once a row.
        log_probability: of the item, ``[rules]``, g included.
        log_others: log of the weight of the model's own answer, ``[B]``.
    """

    row: Tensor
    item: Tensor
    log_probability: Tensor
    log_others: Tensor

    def add_to(self, scores: Tensor, constant: Tensor) -> Tensor:
        """Add the rules to scores of all items, in place.

        Args:
            scores: log-probabilities plus a constant of each row, ``[B, N + 1]``.
            constant: ``[B]``.
        """
        odds = constant - self.log_others
        rules = self.log_probability + odds[self.row]
        scores[self.row, self.item] = torch.logaddexp(scores[self.row, self.item], rules)
        return scores


class SessionRules(nn.Module):
    """Rules of the training sessions, their weight beside the model, and the loss that learns it.

    The training sessions are saved with the model that holds this.

    Args:
        train: training sessions in time order, item ids 1..n_items - 1.
        n_items: number of item ids, pad included.
        size: of the vectors that tell g, ``D``.
        hidden: size of the layer between.
        max_steps: largest distance of two clicks that make a rule.
    """

    def __init__(
        self, train: Sessions, n_items: int, size: int, hidden: int, max_steps: int = 10
    ) -> None:
        super().__init__()
        self.log_kappa = nn.Parameter(torch.zeros(()))
        self.gate = nn.Sequential(nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.stored = StoredScorer(RuleScorer(max_steps), train, n_items)

    def weight(self, *vectors: Tensor) -> Tensor:
        """Logit of g, from which the vectors themselves learn nothing.

        Shapes: ``[B, d]`` each, D in all -> ``[B]``.
        """
        logits: Tensor = self.gate(torch.cat(vectors, dim=1).detach()).squeeze(1).float()
        return logits

    def forward(self, logits: Tensor, prefixes: Tensor, lengths: Tensor) -> FoundRules:
        """All rules from the last known clicks.

        Shapes: logits of :meth:`weight` ``[B]``, prefixes ``[B, T]``, lengths ``[B]``.
        """
        scorer = self.stored.scorer
        padded = (prefixes.cpu().numpy(), lengths.cpu().numpy())
        found = scorer.sparse_scores(KnownClicks.of_padded(*padded, scorer.known)).tocoo()
        row, item = (torch.from_numpy(one).to(prefixes).long() for one in (found.row, found.col))
        weights = torch.from_numpy(found.data).to(logits)
        sums = weights.new_zeros(len(prefixes)).index_add_(0, row, weights)
        of_rules = F.logsigmoid(logits)[row] + self._log_probability(weights, sums[row])
        return FoundRules(row, item, of_rules, self._log_others(logits, sums))

    def loss(self, losses: Tensor, logits: Tensor, of_rows: Tensor) -> Tensor:
        """Mean cross-entropy of the model and the rules together, for kappa and g alone.

        Args:
            losses: cross-entropy of the model by itself, ``[B]``.
            logits: of :meth:`weight`, ``[B]``.
            of_rows: rows of :meth:`target_weights`, ``[B, 2]``.
        """
        weights, sums = of_rows.unbind(1)
        of_rules = F.logsigmoid(logits) + self._log_probability(weights, sums)
        of_model = self._log_others(logits, sums) - losses.detach()
        return -torch.logaddexp(of_model, of_rules).mean()

    def _log_probability(self, weights: Tensor, sums: Tensor) -> Tensor:
        """Of items that rules of these weights lead to, given those of all from the same click."""
        return weights.clamp_min(_LEAST).log() - (sums + self.log_kappa.exp()).log()

    def _log_others(self, logits: Tensor, sums: Tensor) -> Tensor:
        """Log of what is left to the model."""
        log_unseen = self.log_kappa - (sums + self.log_kappa.exp()).log()
        return torch.logaddexp(F.logsigmoid(-logits), F.logsigmoid(logits) + log_unseen)

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
