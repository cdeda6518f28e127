"""Attention from the last clicks at several levels, pooled over the levels (Atten-Mixer)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.masking import prefix_mask
from recbole_a2d.layers.segments import masked_softmax

_TINY = 1e-30
"""Floor of a sum of powers: its root has no finite slope at zero."""


class LevelQueries(nn.Module):
    r"""One query from the last click, one from the last two, ... (Zhang et al., 2023).

    .. math::
        q_k = W_k [x_n ; x_{n-1} ; \dots ; x_{n-k+1}] + b_k \qquad
        Q_{kd} = q_{kd} \Big/ \sqrt{\textstyle\sum_j q_{jd}^2}

    Clicks before the first are zero. The norm runs over the levels, feature by feature, as
    in the authors' code; their paper sums the clicks instead of concatenating them.

    Args:
        dim: size of the vectors.
        levels: number of queries.
    """

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(size * dim, dim) for size in range(1, levels + 1))

    def forward(self, clicks: Tensor, lengths: Tensor) -> Tensor:
        """Shapes: clicks ``[B, T, D]``, lengths ``[B]`` -> ``[B, levels, D]``, float32."""
        recent = last_clicks(clicks, lengths, len(self.linears))
        queries = [
            linear(recent[:, :size].flatten(1)) for size, linear in enumerate(self.linears, start=1)
        ]
        stacked = torch.stack(queries, dim=1).float()
        norms: Tensor = torch.linalg.vector_norm(stacked, dim=1, keepdim=True)
        return stacked / (norms + 1e-12)


class LevelAttention(nn.Module):
    r"""Attention of several queries on the clicks, one weight a head by Lp pooling over queries.

    .. math::
        a_{k t} = \mathrm{softmax}_t\, 2 \sigma(Q_k \cdot K_t) \qquad
        w_t = \mathrm{softmax}_t\, 2 \Big(\sum_k a_{k t}^p\Big)^{1/p} \qquad
        o = \mathrm{LN}\Big(\sum_t w_t V_t\Big)

    Args:
        dim: size of the vectors, a multiple of ``heads``.
        heads: number of heads.
        pool_power: p of the pooling; infinity would be max pooling.
        dropout: share of weights set to zero.
        padded_length: None gives every head a slice of the features. A number reproduces the
            authors' code: rows are padded to that length and cut into heads without moving
            the head axis, so that a head reads a stretch of the row instead of a slice of
            the features, and the first softmax counts the pads.

    Raises:
        ValueError: ``dim`` is no multiple of ``heads``.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        pool_power: float,
        dropout: float,
        padded_length: int | None = None,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"size {dim} is no multiple of {heads} heads")
        self.heads = heads
        self.pool_power = pool_power
        self.padded_length = padded_length
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.dropout = FastDropout(dropout)
        self.norm = nn.LayerNorm(dim, eps=1e-8)

    def forward(self, queries: Tensor, clicks: Tensor, lengths: Tensor) -> Tensor:
        """Shapes: queries ``[B, K, D]``, clicks ``[B, T, D]``, lengths ``[B]`` -> ``[B, D]``."""
        if self.padded_length is not None:
            clicks = F.pad(clicks, (0, 0, 0, self.padded_length - clicks.shape[1]))
        mask = prefix_mask(lengths, clicks.shape[1]).unsqueeze(1)
        weights = self.dropout(self.weights(queries, clicks, mask))
        rows, width, dim = clicks.shape
        values = self.value(clicks).view(rows, width, self.heads, dim // self.heads)
        summed = torch.einsum("bht,bthd->bhd", weights, values.float())
        attended: Tensor = self.norm(summed.reshape(rows, dim))
        return attended

    def weights(self, queries: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """Weight of every click in every head; mask ``[B, 1, T]`` -> ``[B, heads, T]``."""
        scores = self._split(self.query(queries)) @ self._split(self.key(clicks)).transpose(-1, -2)
        logits = 2 * torch.sigmoid(scores.float())
        pads_count = self.padded_length is not None
        levels = masked_softmax(logits, mask.unsqueeze(2) | pads_count)
        pooled = _power_sum(levels, self.pool_power)
        return masked_softmax(2 * pooled, mask)

    def _split(self, vectors: Tensor) -> Tensor:
        """Cut into heads; ``[B, L, D] -> [B, heads, L, D / heads]``."""
        rows, length, dim = vectors.shape
        if self.padded_length is not None:
            return vectors.reshape(rows, self.heads, length, dim // self.heads)
        return vectors.view(rows, length, self.heads, dim // self.heads).transpose(1, 2)


def last_clicks(clicks: Tensor, lengths: Tensor, count: int) -> Tensor:
    """The last clicks, latest first, zero where there are fewer; ``-> [B, count, D]``."""
    place = lengths.unsqueeze(1) - 1 - torch.arange(count, device=lengths.device)
    index = place.clamp_min(0).unsqueeze(-1).expand(-1, -1, clicks.shape[-1])
    return clicks.gather(1, index) * (place >= 0).unsqueeze(-1)


def _power_sum(levels: Tensor, power: float) -> Tensor:
    """``(sum of levels ** power) ** (1 / power)`` over dimension 2, which large powers leave whole.

    Only shares of the highest level are raised to the power: those that vanish count for nothing.
    """
    highest = levels.detach().amax(2, keepdim=True).clamp_min(_TINY)
    shares = (levels / highest).pow(power).sum(2).clamp_min(_TINY)
    return highest.squeeze(2) * shares.pow(1 / power)
