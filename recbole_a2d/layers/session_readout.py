"""Session vectors by soft attention that knows positions (GCE-GNN, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PositionReadout(nn.Module):
    r"""Weighted sum of the clicks; the weights are not normalised.

    .. math::
        z_t = \tanh(W_p [h_t ; p_t]) \qquad
        S = \sum_t q^\top \sigma(G_1 z_t + c + G_2 s)\; h_t

    with ``p_t`` the vector of the position counted from the last click and ``s`` the session's
    summary.

    Args:
        dim: size of the vectors.
        position_dim: size of the position vectors.
        max_length: longest prefix.
    """

    def __init__(self, dim: int, position_dim: int, max_length: int) -> None:
        super().__init__()
        self.position = nn.Embedding(max_length, position_dim)
        self.merge = nn.Linear(dim + position_dim, dim, bias=False)
        self.click = nn.Linear(dim, dim)
        self.summary = nn.Linear(dim, dim, bias=False)
        self.query = nn.Linear(dim, 1, bias=False)

    def forward(self, clicks: Tensor, mask: Tensor, summary: Tensor) -> Tensor:
        """Shapes: clicks ``[B, T, D]``, mask ``[B, T]``, summary ``[B, D]`` -> ``[B, D]``.

        Pads add nothing.
        """
        steps_back = mask.sum(1, keepdim=True) - 1 - torch.arange(mask.shape[1], device=mask.device)
        position = self.position(steps_back.clamp_min(0)).to(clicks.dtype)
        placed = torch.tanh(self.merge(torch.cat([clicks, position], dim=2)))
        hidden = self.click(placed) + self.summary(summary).unsqueeze(1)
        weights = self.query(torch.sigmoid(hidden)) * mask.unsqueeze(2)
        return torch.bmm(weights.transpose(1, 2).to(clicks.dtype), clicks).squeeze(1)
