"""Sums and softmaxes over masked places and over segments of a flat list.

A *segment* is the set of places of a flat list that carry the same number: the edges that
enter one node, the nodes of one session. All functions work in float32 whatever autocast
asks for, and never let an empty place or an empty segment produce a NaN.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """Softmax over the true places of ``mask``; zeros where there are none.

    Shapes:
        scores and mask of one (broadcastable) shape -> the same shape, float32.
    """
    scores = scores.float().masked_fill(~mask, torch.finfo(torch.float32).min)
    return scores.softmax(dim=dim) * mask


def take(vectors: Tensor, index: Tensor) -> Tensor:
    """Rows of ``vectors [V, D]`` at ``index [...]`` -> ``[..., D]``.

    ``index_select``, whose gradient is about twice as fast as that of plain indexing.
    """
    return vectors.index_select(0, index.reshape(-1)).view(*index.shape, vectors.shape[-1])


def segment_sum(values: Tensor, segment: Tensor, count: int) -> Tensor:
    """Sum of the values of each segment; ``[E, ...], [E] -> [count, ...]``, float32."""
    values = values.float()
    return values.new_zeros(count, *values.shape[1:]).index_add(0, segment, values)


def segment_mean(values: Tensor, segment: Tensor, count: int) -> Tensor:
    """Mean of the values of each segment, 0 where it is empty; ``[E, D], [E] -> [count, D]``."""
    sizes = torch.bincount(segment, minlength=count).clamp_min(1)
    return segment_sum(values, segment, count) / sizes.unsqueeze(1)


def segment_softmax(scores: Tensor, segment: Tensor, count: int) -> Tensor:
    """Softmax within each segment; ``[E]`` or ``[E, H]``, ``[E]`` -> shape of ``scores``."""
    scores = scores.float()
    index = segment.view(-1, *[1] * (scores.dim() - 1)).expand_as(scores)
    highest = scores.new_zeros(count, *scores.shape[1:])
    highest = highest.scatter_reduce(0, index, scores.detach(), "amax", include_self=False)
    weights = (scores - highest.index_select(0, segment)).exp()
    return weights / segment_sum(weights, segment, count).index_select(0, segment)


def mix_rows(vectors: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of ``K`` vectors a row; ``[V, D], [R, K], [R, K] -> [R, D]``, float32."""
    return F.embedding_bag(index, vectors.float(), mode="sum", per_sample_weights=weights.float())
