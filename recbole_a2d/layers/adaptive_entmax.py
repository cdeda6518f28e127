"""Sparse weights over the clicks or intents of a session, and how sparse a session wants them."""

from __future__ import annotations

import torch
from entmax import entmax15, entmax_bisect
from torch import Tensor, nn

_BISECTION_STEPS = 25
"""Halvings of the threshold's interval: enough for float32."""
NOT_THERE = -1e4
"""Score of a pad below the highest of its row: finite, so that a row of pads yields no NaN, and far
below any threshold."""


class AdaptiveSparsity(nn.Module):
    r"""A session's own ``alpha_ent`` = 1 + sigmoid(w^T context + b) (A2D-MTL, Eq. 14; MiaSRec).

    Clamped to [1.01, 2]: at 1 exactly the bisection silently returns uniform weights.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 1)

    def forward(self, context: Tensor) -> Tensor:
        """Shapes: context ``[B, C]`` -> ``[B, 1]``, each in [1.01, 2]."""
        alpha: Tensor = 1.0 + torch.sigmoid(self.linear(context).float())
        return alpha.clamp(1.01, 2.0)


def masked_entmax(scores: Tensor, mask: Tensor, alpha: float | Tensor) -> Tensor:
    """Entmax over the true places, exact where alpha is 1.5 for all rows.

    Shapes:
        scores, mask ``[B, T]``, alpha a number or ``[B, 1]`` -> ``[B, T]``, float32, rows summing
        to 1, or to 0 where the mask has nothing; NaN where a score is NaN or infinite.
    """
    highest = _highest(scores.detach().float(), mask)
    broken = ~highest.isfinite()
    scores = (scores.float() - highest).masked_fill(~mask | broken, NOT_THERE)
    if isinstance(alpha, float) and alpha == 1.5:
        weights = entmax15(scores, dim=-1)
    else:
        weights = entmax_bisect(scores, alpha, dim=-1, n_iter=_BISECTION_STEPS)
    return (weights * mask).masked_fill(broken, torch.nan)


def _highest(scores: Tensor, mask: Tensor) -> Tensor:
    """Highest true score of each row, ``[B, 1]``; 0 where there is none."""
    highest = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).amax(-1, keepdim=True)
    return highest.masked_fill(~mask.any(-1, keepdim=True), 0)
