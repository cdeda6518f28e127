"""Graph attention over weighted transition graphs (Eq. 3-4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.edge_scores import edge_scores
from recbole_a2d.layers.edges import Edges, mix_edges
from recbole_a2d.layers.segments import segment_softmax


class GraphAttention(nn.Module):
    r"""One head of attention over a node's neighbours and itself, edge weights included.

    .. math::
        \alpha_{ij} = \mathrm{softmax}_j\; a^\top \mathrm{LeakyReLU}(U h_i + V h_j + u\, e_{ij})
        \qquad
        h_i' = W \sum_j \alpha_{ij} h_j

    with the node itself among its neighbours at edge weight 1. ``U``, ``V``, ``u`` are the
    blocks of the paper's ``W_1 [h_i ; h_j ; e_ij]``. Values have a ``W`` of their own, which
    commutes with the sum, so every product is taken per node and none per edge.

    Args:
        dim: size of the vectors.
        score_size: size of ``a``; the paper does not say, None takes that of the vectors.
        negative_slope: of the LeakyReLU.
    """

    def __init__(
        self, dim: int, score_size: int | None = None, negative_slope: float = 0.2
    ) -> None:
        super().__init__()
        hidden = score_size or dim
        self.value = nn.Linear(dim, dim, bias=False)
        self.score_center = nn.Linear(dim, hidden, bias=False)
        self.score_neighbor = nn.Linear(dim, hidden, bias=False)
        self.score_edge = nn.Parameter(torch.empty(hidden).uniform_(-(dim**-0.5), dim**-0.5))
        self.score = nn.Linear(hidden, 1, bias=False)
        self.negative_slope = negative_slope

    def forward(
        self, vectors: Tensor, center: Tensor, neighbors: Tensor, weights: Tensor
    ) -> Tensor:
        """Attend from the centers to the places of a neighbour table.

        Shapes:
            vectors ``[V, D]``; center ``[U]`` and neighbors ``[U, K]`` index it; weights
            ``[U, K]``, 0 on empty places -> ``[U, D]``.
        """
        nodes = torch.cat([center.unsqueeze(1), neighbors], dim=1)
        weights = torch.cat([weights.new_ones(len(weights), 1), weights], dim=1)
        rows = torch.arange(len(center), device=center.device).repeat_interleave(nodes.shape[1])
        edges = Edges(rows, nodes.flatten(), weights.flatten(), len(center), len(vectors))
        from_center = self.score_center(F.embedding(center, vectors))
        scores = self._scores(from_center, vectors, edges).view_as(weights)
        attention = scores.masked_fill(weights <= 0, -torch.inf).softmax(dim=1)
        return self._values(vectors, attention.flatten(), edges)

    def forward_edges(self, vectors: Tensor, edges: Edges) -> Tensor:
        """Attend along a list of edges, for graphs of uneven degree.

        Args:
            vectors: ``[M, D]``.
            edges: of :func:`with_self_loops`.

        Returns:
            ``[M, D]``.
        """
        scores = self._scores(self.score_center(vectors), vectors, edges)
        return self._values(vectors, segment_softmax(scores, edges.center, len(vectors)), edges)

    def _scores(self, from_center: Tensor, vectors: Tensor, edges: Edges) -> Tensor:
        return edge_scores(
            from_center,
            self.score_neighbor(vectors),
            edges,
            self.score_edge,
            self.score.weight.squeeze(0),
            self.negative_slope,
        )

    def _values(self, vectors: Tensor, attention: Tensor, edges: Edges) -> Tensor:
        values: Tensor = self.value(mix_edges(vectors, attention, edges))
        return values.to(vectors.dtype)

    def extra_repr(self) -> str:
        """Sizes, for ``print(model)``."""
        sizes = f"dim={self.value.in_features}, score_size={self.score.in_features}"
        return f"{sizes}, negative_slope={self.negative_slope}"


def with_self_loops(source: Tensor, target: Tensor, weights: Tensor, count: int) -> Edges:
    """Edges among ``count`` nodes, ``[E]`` each, with each node's own at weight 1 added."""
    itself = torch.arange(count, device=source.device)
    every = (source, itself), (target, itself), (weights, weights.new_ones(count))
    source, target, weights = (torch.cat(pair) for pair in every)
    return Edges.in_any_order(source, target, weights, count, count)
