"""One vector from a session's clicks: the last, the relevant and the recent ones (MTD)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbole_a2d.layers.masking import last_click, position_from_end, prefix_mask
from recbole_a2d.layers.segments import masked_softmax


class RecencyReadout(nn.Module):
    r"""Last click, attention summary and recency summary, projected (Huang et al., 2021).

    .. math::
        u_t = v^\top \sigma(W y_n \odot W y_t) \qquad
        s = W_o \Big[ y_n \,;\, \sum_t \mathrm{softmax}(u)_t\, y_t \,;\,
            \sum_t \mathrm{softmax}(-\lambda p)_t\, y_t \Big]

    with position :math:`p_t` counted from the last click, which has 1.

    Args:
        dim: size of the vectors.
        recency: :math:`\lambda`, how much a step into the past lowers a click's log weight.
    """

    def __init__(self, dim: int, recency: float) -> None:
        super().__init__()
        self.recency = recency
        self.relevance = nn.Linear(dim, dim, bias=False)
        self.score = nn.Linear(dim, 1, bias=False)
        self.output = nn.Linear(3 * dim, dim, bias=False)

    def forward(self, clicks: Tensor, lengths: Tensor) -> Tensor:
        """Shapes: clicks ``[B, T, D]``, lengths ``[B]`` -> ``[B, D]``."""
        last = last_click(clicks, lengths)
        logits = torch.stack([self.relevances(clicks, lengths), self.ages(clicks, lengths)], dim=1)
        mask = prefix_mask(lengths, clicks.shape[1]).unsqueeze(1)
        weights = masked_softmax(logits, mask)
        summaries = torch.bmm(weights.to(clicks.dtype), clicks).flatten(1)
        session: Tensor = self.output(torch.cat([last, summaries], dim=1))
        return session

    def relevances(self, clicks: Tensor, lengths: Tensor) -> Tensor:
        """Attention logits ``[B, T]``, pads not yet masked."""
        projected = self.relevance(clicks)
        last = last_click(projected, lengths).unsqueeze(1)
        logits: Tensor = self.score(torch.sigmoid((last * projected).float()))
        return logits.squeeze(-1).float()

    def ages(self, clicks: Tensor, lengths: Tensor) -> Tensor:
        """Recency logits ``[B, T]``, pads not yet masked."""
        return -self.recency * position_from_end(lengths, clicks.shape[1]).float()
