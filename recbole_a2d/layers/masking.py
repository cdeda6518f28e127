"""Reductions over right-padded prefixes."""

from __future__ import annotations

import torch
from torch import Tensor


def prefix_mask(lengths: Tensor, width: int) -> Tensor:
    """True on the clicks of each prefix; ``lengths [B]`` -> ``[B, width]``."""
    return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)


def masked_mean(vectors: Tensor, mask: Tensor) -> Tensor:
    """Mean over the true places, zero where there are none; ``[B, T, D], [B, T] -> [B, D]``."""
    weights = mask.to(vectors.dtype)
    total = torch.bmm(weights.unsqueeze(1), vectors).squeeze(1)
    return total / weights.sum(1, keepdim=True).clamp_min(1.0)


def last_click(vectors: Tensor, lengths: Tensor) -> Tensor:
    """Vector of each prefix's last click (the first place where it is empty); ``-> [B, D]``."""
    rows = torch.arange(len(lengths), device=lengths.device)
    return vectors[rows, (lengths - 1).clamp_min(0)]


def position_from_end(lengths: Tensor, width: int) -> Tensor:
    """1 on the last click, 2 on the one before, ..., 0 on pads; ``[B] -> [B, width]``."""
    steps = torch.arange(width, device=lengths.device)
    return (lengths.unsqueeze(1) - steps).clamp_min(0)
