r"""Softmax loss over a sample of the items, for catalogues too large to score in every step.

Every step draws candidates by popularity and estimates the softmax's sum over all items from
them, each weighed by one over its chance of being drawn (the logQ correction: Bengio and
Senécal, IEEE Trans. Neural Networks 2008; Yi et al., RecSys 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.full_softmax import TargetMixture
from recbole_a2d.layers.item_vectors import ItemVectors


class Candidates(NamedTuple):
    """Items drawn for a step.

    Attributes:
        items: distinct ids, ``[C]``.
        log_chance: log of each one's chance to be among them, ``[C]``.
    """

    items: Tensor
    log_chance: Tensor


class CandidateSampler:
    r"""Draws items with :math:`q(i) \propto (n_i + 1)^{3/4}`, n the training clicks.

    Args:
        counts: training clicks of each item, the pad's included and not looked at, ``[N + 1]``.
        draws: how many, with replacement; repeats are dropped.
    """

    def __init__(self, counts: Tensor, draws: int) -> None:
        weights = (counts.double() + 1) ** 0.75
        weights[0] = 0
        self.draws = draws
        self.chance = weights / weights.sum()
        self.bounds = self.chance.cumsum(0)

    def draw(self) -> Candidates:
        """The candidates of one step, from torch's generator."""
        places = torch.rand(self.draws, dtype=torch.float64) * self.bounds[-1]
        items = torch.searchsorted(self.bounds, places, right=True).clamp_max(len(self.bounds) - 1)
        items = torch.unique(items)
        # 1 - (1 - q)^draws, without losing the digits of a small q
        missed = self.draws * torch.log1p(-self.chance[items])
        return Candidates(items, torch.log(-torch.expm1(missed)).float())


def sampled_softmax_loss(
    session_vectors: Tensor,
    items: ItemVectors,
    targets: Tensor,
    candidates: Candidates,
    mixture: TargetMixture | None = None,
    *,
    unit_items: bool = False,
) -> Tensor:
    r"""Mean cross-entropy with the sum over all items estimated from the candidates.

    .. math:: -\log \frac{e^{s_y}}{e^{s_y} + \sum_{j \in C, j \ne y} e^{s_j} / P(j \in C)}

    Args:
        session_vectors: ``[B, D]``.
        items: the item table.
        targets: ids from 1, ``[B]``.
        candidates: of :meth:`CandidateSampler.draw`.
        mixture, unit_items: as for :func:`~recbole_a2d.layers.full_softmax.full_softmax_loss`.

    Returns:
        Scalar loss in float32.
    """
    drawn = candidates.items.to(targets.device)
    vectors = items.rows(torch.cat([drawn, targets]))
    vectors = F.normalize(vectors.float(), dim=1) if unit_items else vectors
    of_drawn, of_targets = vectors.split([len(drawn), len(targets)])
    scores = (session_vectors @ of_drawn.to(session_vectors.dtype).T).float()
    scores = scores - candidates.log_chance.to(scores.device)
    # finite: a row that drew nothing but its target would get a gradient of NaN from -inf
    scores = scores.masked_fill(drawn == targets.unsqueeze(1), torch.finfo(scores.dtype).min)
    of_target = (session_vectors.float() * of_targets).sum(1)
    losses = torch.logaddexp(of_target, scores.logsumexp(1)) - of_target
    if mixture is not None:
        losses = -torch.logaddexp(mixture.log_share - losses, mixture.log_rest)
    return losses.mean()
