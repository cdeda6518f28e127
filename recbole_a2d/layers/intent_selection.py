"""Which of a session's intents count, by sparse attention (MiaSRec)."""

from __future__ import annotations

import torch
from entmax import entmax15, entmax_bisect
from torch import Tensor, nn

_NOT_A_CLICK = -1e4
"""Score of a pad: finite, and far below any threshold of the entmax."""
_BISECTION_STEPS = 25
"""Halvings of the threshold's interval: enough for float32."""

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
        self.sparsity = nn.Linear(dim, 1) if alpha is None else None

    def forward(self, intents: Tensor, mask: Tensor) -> Tensor:
        """Shapes: intents ``[B, K, D]``, mask ``[B, K]`` -> ``[B, K]``, summing to 1, float32."""
        if self.alpha == UNIFORM:
            return mask / mask.sum(dim=1, keepdim=True)
        whole = intents[:, :1]
        pairs = torch.cat([whole.expand_as(intents), intents], dim=-1)
        scores = self.importance(pairs).squeeze(-1).float().masked_fill(~mask, _NOT_A_CLICK)
        return self._entmax(scores, whole.squeeze(1)) * mask

    def _entmax(self, scores: Tensor, whole: Tensor) -> Tensor:
        if self.alpha == 1.5:
            exact: Tensor = entmax15(scores, dim=-1)
            return exact
        alpha: float | Tensor | None = self.alpha
        if self.sparsity is not None:
            # Alpha 1 exactly makes the bisection return uniform weights.
            alpha = (1 + torch.sigmoid(self.sparsity(whole).float())).clamp(1.01, 2.0)
        bisected: Tensor = entmax_bisect(scores, alpha, dim=-1, n_iter=_BISECTION_STEPS)
        return bisected
