"""Sequential rules as evidence for a trained model: what followed the last click or the last two.

:class:`~recbole_a2d.models.neighbours.rules.RuleScorer` has the formula.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.evidence import Evidence
from recbole_a2d.models.neighbours.rules import PairRuleScorer, Rules, RuleScorer
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer


class SessionRules(Evidence):
    """Weights of the rules from the last known click.

    Args:
        train: training sessions in time order, item ids 1..n_items - 1.
        n_items: number of item ids, pad included.
        max_steps: largest distance of two clicks that make a rule.
    """

    title = "what followed the last click"
    scorer_class: type[RuleScorer] = RuleScorer

    def __init__(self, train: Sessions, n_items: int, max_steps: int = 10) -> None:
        super().__init__()
        self.stored = StoredScorer(self.scorer_class(max_steps), train, n_items)

    def weights(self, prefixes: Tensor, lengths: Tensor) -> csr_matrix:
        """See :class:`Evidence`."""
        return self.stored.scorer.sparse_scores(self.stored.known_clicks(prefixes, lengths))

    def target_weights(self, rows: PrefixRows) -> Tensor:
        """See :class:`Evidence`."""
        self.stored.require_rows_of_train(rows)
        scorer, n_items, sessions = self.stored.scorer, self.stored.n_items, rows.sessions
        rules = Rules(
            *(np.concatenate(parts) for parts in zip(*scorer.rules(sessions), strict=True))
        )
        contexts, targets = scorer.contexts(sessions)[rows.end - 1], sessions.items[rows.end]
        followed, wanted = rules.context * n_items + rules.follower, contexts * n_items + targets
        of_target = _weight_before(rules, followed, wanted, rows.session)
        of_all = _weight_before(rules, rules.context, contexts, rows.session)
        return torch.from_numpy(np.stack([of_target, of_all], axis=1).astype(np.float32))


class SessionPairRules(SessionRules):
    """Weights of the rules from the last two known clicks."""

    title = "what followed the last two clicks"
    scorer_class = PairRuleScorer


def _weight_before(
    rules: Rules, kinds: IntArray, wanted: IntArray, session: IntArray
) -> NDArray[np.float64]:
    """Weight of the rules of the wanted kinds in sessions before those given; ``[rows]``."""
    # Numbered anew: kinds are as many as pairs of items, and a number of 64 bits holds both.
    _, numbers = np.unique(np.concatenate([kinds, wanted]), return_inverse=True)
    kinds, wanted = numbers[: len(kinds)], numbers[len(kinds) :]
    span = int(rules.session.max(initial=0)) + 1
    moments = kinds * span + rules.session
    order = np.argsort(moments, kind="stable")
    moments, sums = moments[order], np.concatenate([[0.0], np.cumsum(rules.weight[order])])
    first = np.searchsorted(moments, wanted * span)
    return sums[np.searchsorted(moments, wanted * span + session)] - sums[first]
