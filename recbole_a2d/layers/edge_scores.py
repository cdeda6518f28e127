"""Scores of many edges without keeping a vector for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks

_CHUNK_BYTES = 1 << 20
"""Edge vectors worked on at a time: they stay in cache and are made again for the gradient."""


def edge_scores(
    from_center: Tensor,
    from_neighbor: Tensor,
    center: Tensor,
    neighbor: Tensor,
    weights: Tensor,
    of_weight: Tensor,
    attention: Tensor,
    negative_slope: float,
) -> Tensor:
    r"""Attention scores of a list of edges (Eq. 4).

    .. math:: a^\top \mathrm{LeakyReLU}(U h_i + V h_j + u\, e_{ij})

    Autograd would keep several arrays of edges x dim; this one keeps none. First-order
    gradients only.

    Args:
        from_center, from_neighbor: ``U h`` and ``V h`` of the nodes, ``[C, D]`` and ``[V, D]``.
        center, neighbor: nodes of each edge, ``[E]``.
        weights: e of each edge, ``[E]``; no gradient.
        of_weight, attention: u and a, ``[D]``.
        negative_slope: of the LeakyReLU.

    Returns:
        ``[E]``, float32.
    """
    scores: Tensor = _EdgeScores.apply(
        from_center, from_neighbor, center, neighbor, weights, of_weight, attention, negative_slope
    )
    return scores


class _EdgeScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        from_center: Tensor,
        from_neighbor: Tensor,
        center: Tensor,
        neighbor: Tensor,
        weights: Tensor,
        of_weight: Tensor,
        attention: Tensor,
        negative_slope: float,
    ) -> Tensor:
        nodes = (from_center, from_neighbor, center, neighbor, weights, of_weight)
        ctx.negative_slope = negative_slope
        ctx.save_for_backward(*nodes, attention)
        scores = weights.new_empty(len(center), dtype=torch.float32)
        for part in _parts(len(center), from_center):
            hidden = _hidden(nodes, part)
            scores[part] = F.leaky_relu(hidden, negative_slope, inplace=True) @ attention.float()
        return scores

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *nodes, attention = ctx.saved_tensors
        from_center, from_neighbor, center, neighbor, weights, of_weight = nodes
        center_grad = torch.zeros_like(from_center, dtype=torch.float32)
        neighbor_grad = torch.zeros_like(from_neighbor, dtype=torch.float32)
        weight_grad = torch.zeros_like(of_weight, dtype=torch.float32)
        attention_grad = torch.zeros_like(attention, dtype=torch.float32)
        for part in _parts(len(center), from_center):
            hidden = _hidden(nodes, part)
            edge_grad = torch.outer(grads[0][part], attention.float())
            edge_grad = torch.ops.aten.leaky_relu_backward(
                edge_grad, hidden, ctx.negative_slope, False
            )
            attention_grad += grads[0][part] @ F.leaky_relu_(hidden, ctx.negative_slope)
            center_grad.index_add_(0, center[part], edge_grad)
            neighbor_grad.index_add_(0, neighbor[part], edge_grad)
            weight_grad += weights[part] @ edge_grad
        return (
            center_grad.to(from_center.dtype),
            neighbor_grad.to(from_neighbor.dtype),
            None,
            None,
            None,
            weight_grad.to(of_weight.dtype),
            attention_grad.to(attention.dtype),
            None,
        )


def _parts(edges: int, vectors: Tensor) -> Iterator[slice]:
    return row_chunks(edges, 4 * vectors.shape[1], _CHUNK_BYTES)


def _hidden(nodes: Any, part: slice) -> Tensor:
    from_center, from_neighbor, center, neighbor, weights, of_weight = nodes
    # index_select is four times faster than indexing with brackets.
    hidden = from_center.index_select(0, center[part]).float()
    hidden += from_neighbor.index_select(0, neighbor[part])
    return hidden.addcmul_(weights[part].unsqueeze(1), of_weight.float())
