"""Which of a session's intents count, by sparse attention (MiaSRec)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from recbole_a2d.layers.adaptive_entmax import AdaptiveSparsity, masked_entmax

UNIFORM = -1.0
"""The alpha of the authors' released runs: nothing is pruned."""


class IntentSelection(nn.Module):
    r"""Importance of every intent of a session, some exactly zero (Choi et al., 2024).

    .. math::
        r_t = w^\top [o_0 ; o_t] \qquad \gamma = \alpha\text{-entmax}(r)

    Intent 0 is that of the whole session. The authors add a bias, which entmax cannot see.

    Args:
        dim: size of the vectors.
        alpha: above 1, up to 2; higher prunes more. None: learned for each session from
            intent 0, :math:`1 + \sigma(u^\top o_0 + c)`. :data:`UNIFORM`: every intent of
            the session counts alike and ``w`` is unused.

    Raises:
        ValueError: another alpha.
    """

    def __init__(self, dim: int, alpha: float | None) -> None:
        super().__init__()
        if alpha is not None and alpha != UNIFORM and not 1 < alpha <= 2:
            raise ValueError(f"alpha must be above 1 and at most 2, or {UNIFORM}, not {alpha}")
        self.alpha = alpha
        self.importance = nn.Linear(2 * dim, 1, bias=False)
        self.sparsity = AdaptiveSparsity(dim) if alpha is None else None

    def forward(self, intents: Tensor, mask: Tensor) -> Tensor:
        """Shapes: intents ``[B, K, D]``, mask ``[B, K]`` -> ``[B, K]``, summing to 1, float32."""
        if self.alpha == UNIFORM:
            return mask / mask.sum(dim=1, keepdim=True)
        whole = intents[:, :1]
        pairs = torch.cat([whole.expand_as(intents), intents], dim=-1)
        scores = self.importance(pairs).squeeze(-1)
        return masked_entmax(scores, mask, self._alpha(whole.squeeze(1)))

    def _alpha(self, whole: Tensor) -> float | Tensor:
        if self.sparsity is not None:
            return cast(Tensor, self.sparsity(whole))
        assert self.alpha is not None
        return self.alpha
