"""Attention scores of many edges, with one pass over the edges' vectors for all gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks
from recbole_a2d.layers.edges import Edges

_CHUNK_BYTES = 1 << 20
"""Edge vectors worked on at a time, which stay in cache."""


def edge_scores(
    from_center: Tensor | None,
    from_neighbor: Tensor,
    edges: Edges,
    of_weight: Tensor,
    attention: Tensor,
    negative_slope: float,
) -> Tensor:
    r"""Attention scores of a list of edges (Eq. 4).

    .. math:: a^\top \mathrm{LeakyReLU}(U h_i + V h_j + u\, e_{ij})

    Autograd would keep several arrays of edges x size and add them up edge by edge; this keeps
    one, the slopes of the LeakyReLU. First-order gradients only.

    Args:
        from_center, from_neighbor: ``U h`` and ``V h`` of the nodes, ``[centers, S]`` and
            ``[neighbors, S]``; None where centers have no say.
        edges: with their weights e.
        of_weight, attention: u and a, ``[S]``.
        negative_slope: of the LeakyReLU.

    Returns:
        ``[E]``, float32.
    """
    center = None if from_center is None else from_center.float()
    others = (one.float() for one in (from_neighbor, of_weight, attention))
    scores: Tensor = _EdgeScores.apply(center, *others, edges, negative_slope)
    return scores


class _EdgeScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        from_center: Tensor | None,
        from_neighbor: Tensor,
        of_weight: Tensor,
        attention: Tensor,
        edges: Edges,
        negative_slope: float,
    ) -> Tensor:
        slopes = attention.new_empty(len(edges), len(attention))
        scores = attention.new_empty(len(edges))
        for part in row_chunks(len(edges), 4 * len(attention), _CHUNK_BYTES):
            # index_select is four times faster than indexing with brackets.
            hidden = from_neighbor.index_select(0, edges.neighbor[part])
            if from_center is not None:
                hidden += from_center.index_select(0, edges.center[part])
            hidden.addcmul_(edges.weights[part].unsqueeze(1), of_weight)
            _slopes(hidden, negative_slope, out=slopes[part])
            torch.mv(hidden.mul_(slopes[part]), attention, out=scores[part])
        ctx.edges = edges
        ctx.save_for_backward(from_center, from_neighbor, of_weight, attention, slopes)
        return scores

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from_center, from_neighbor, of_weight, attention, slopes = ctx.saved_tensors
        edges, grad = ctx.edges, grads[0].contiguous()
        # Gradient of what enters the LeakyReLU, but for the factor a that all edges share.
        neighbor = edges.of_neighbors(slopes, grad)
        weight = (grad * edges.weights) @ slopes
        attention_grad = of_weight * weight + _column_products(from_neighbor, neighbor)
        center = None
        if from_center is not None:
            center = edges.of_centers(slopes, grad)
            attention_grad += _column_products(from_center, center)
            center.mul_(attention)
        return center, neighbor.mul_(attention), weight * attention, attention_grad, None, None


def _column_products(left: Tensor, right: Tensor) -> Tensor:
    """Dot products of the columns of two arrays; ``[N, S], [N, S] -> [S]``."""
    total = left.new_zeros(left.shape[1])
    for part in row_chunks(len(left), 8 * left.shape[1], _CHUNK_BYTES):
        total += (left[part] * right[part]).sum(0)
    return total


def _slopes(hidden: Tensor, negative: float, out: Tensor) -> None:
    """Slope of the LeakyReLU at each place: 1, or the negative one at zero and below."""
    # As the gradient of a sum: one pass, where comparing and scaling takes three.
    ones = hidden.new_ones(()).expand_as(hidden)
    torch.ops.aten.leaky_relu_backward.grad_input(ones, hidden, negative, False, grad_input=out)
