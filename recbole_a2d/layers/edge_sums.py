"""Weighted sums along many edges and for several heads, without a vector for each edge and head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks

_CHUNK_BYTES = 1 << 20
"""Vectors of edges and heads worked on at a time: they stay in cache."""


def edge_sums(
    vectors: Tensor, weights: Tensor, source: Tensor, target: Tensor, count: int
) -> Tensor:
    r"""What arrives at every target along its edges, head by head.

    .. math:: s_{ih} = \sum_{e : target(e) = i} w_{eh}\, x_{source(e)}

    Autograd would keep arrays of edges x heads x dim; this one keeps none. First-order
    gradients only.

    Shapes:
        vectors ``[N, D]``, weights ``[E, heads]``, source and target ``[E]``
        -> ``[count, heads, D]``, float32, zero for a target without an edge.
    """
    sums: Tensor = _EdgeSums.apply(vectors, weights, source, target, count)
    return sums


class _EdgeSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, weights: Tensor, source: Tensor, target: Tensor, count: int
    ) -> Tensor:
        ctx.save_for_backward(vectors, weights, source, target)
        sums = vectors.new_zeros(count, weights.shape[1], vectors.shape[1], dtype=torch.float32)
        for part in _parts(weights, vectors):
            messages = _heads(weights[part]) * vectors[source[part]].unsqueeze(1).float()
            sums.index_add_(0, target[part], messages)
        return sums

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        vectors, weights, source, target = ctx.saved_tensors
        vector_grad = torch.zeros_like(vectors, dtype=torch.float32)
        weight_grad = torch.empty_like(weights, dtype=torch.float32)
        for part in _parts(weights, vectors):
            grad = grads[0][target[part]]
            taken = vectors[source[part]].float()
            weight_grad[part] = torch.bmm(grad, taken.unsqueeze(2)).squeeze(2)
            back = torch.bmm(weights[part].float().unsqueeze(1), grad).squeeze(1)
            vector_grad.index_add_(0, source[part], back)
        return vector_grad.to(vectors.dtype), weight_grad.to(weights.dtype), None, None, None


def _heads(weights: Tensor) -> Tensor:
    return weights.float().unsqueeze(2)


def _parts(weights: Tensor, vectors: Tensor) -> Iterator[slice]:
    return row_chunks(len(weights), 4 * weights.shape[1] * vectors.shape[1], _CHUNK_BYTES)
