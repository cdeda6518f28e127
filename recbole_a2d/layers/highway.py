"""Highway gate between a block's input and its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Highway(nn.Module):
    r"""Learned mixture, feature by feature (Srivastava et al., 2015).

    .. math::
        g = \sigma(W [x ; y] + b) \qquad z = g \odot x + (1 - g) \odot y

    Args:
        dim: size of the vectors.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * dim, dim)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Shapes: before ``[..., D]``, after ``[..., D]`` -> ``[..., D]``."""
        gate = torch.sigmoid(self.gate(torch.cat([before, after], dim=-1)))
        return gate * before + (1 - gate) * after
