"""Attention over an item's neighbors in a global graph, asked by a session (GCE-GNN, Eq. 2-4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.edge_scores import edge_scores
from recbole_a2d.layers.edges import Edges, mix_edges
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.segments import segment_softmax, take


@dataclass(frozen=True)
class Neighborhood:
    """Pairs (session, item) of one hop, and where their neighbors stand in the next hop.

    Attributes:
        session, item: of each pair, ``[P]``; no pair comes twice.
        itself: place of each pair among the pairs of the next hop, ``[P]``.
        neighbors: places of its neighbors there, ``[P, K]``; any number on empty places.
        weights: edge weights, 0 on empty places, ``[P, K]``.
    """

    session: Tensor
    item: Tensor
    itself: Tensor
    neighbors: Tensor
    weights: Tensor

    def edges(self, count: int) -> Edges:
        """Edges to the neighbors, of which the next hop has so many; without empty places."""
        pair, place = (self.weights > 0).nonzero(as_tuple=True)
        return Edges(
            pair, self.neighbors[pair, place], self.weights[pair, place], len(self.item), count
        )


def expand(
    nodes: Tensor, neighbors: Tensor, weights: Tensor, hops: int
) -> tuple[list[Neighborhood], Tensor, Tensor]:
    """Distinct (session, item) pairs within ``hops`` steps of each session's nodes.

    A session's items share many neighbors, so listing each pair once keeps the second hop
    several times smaller than a tree of ``K * K`` places a node.

    Args:
        nodes: distinct items of each session, right-padded with 0, ``[B, S]``.
        neighbors, weights: strongest neighbors of each item and the weights of those edges,
            0 on empty places, ``[n_items, K]``.
        hops: how many steps, at least 1.

    Returns:
        One :class:`Neighborhood` a hop, nearest first, and session and item of the pairs that
        the last one points at, ``[P']``. The first neighborhood's pairs are the nodes, row by row.
    """
    session = torch.arange(len(nodes), device=nodes.device).unsqueeze(1).expand_as(nodes)[nodes > 0]
    item, n_items = nodes[nodes > 0], len(neighbors)
    levels = []
    for _ in range(hops):
        around, weight = neighbors[item], weights[item]
        # an empty place stands for the node itself and is masked by its weight
        around = torch.where(weight > 0, around, item.unsqueeze(1))
        both = torch.cat([item.unsqueeze(1), around], dim=1) + session.unsqueeze(1) * n_items
        pairs, place = torch.unique(both, return_inverse=True)
        levels.append(Neighborhood(session, item, place[:, 0], place[:, 1:].contiguous(), weight))
        session, item = pairs // n_items, pairs % n_items
    return levels, session, item


class SessionAwareAggregator(nn.Module):
    r"""Nodes take up their neighbors, weighed by how well these suit the session.

    .. math::
        \pi_j = q^\top \mathrm{LeakyReLU}\bigl(W_1 [s \odot h_j ; w_{vj}]\bigr) \qquad
        h_v' = \mathrm{ReLU}\Bigl(W_3\bigl[h_v ; \sum_j \mathrm{softmax}_j(\pi_j) h_j\bigr]\Bigr)

    Args:
        dim: size of the vectors.
        dropout: on the concatenation that ``W_3`` reads.
        negative_slope: of the LeakyReLU.
    """

    def __init__(self, dim: int, dropout: float, negative_slope: float = 0.2) -> None:
        super().__init__()
        self.suitability = nn.Linear(dim, dim, bias=False)
        self.edge_weight = nn.Parameter(torch.empty(dim).uniform_(-(dim**-0.5), dim**-0.5))
        self.query = nn.Linear(dim, 1, bias=False)
        self.merge = nn.Linear(2 * dim, dim, bias=False)
        self.dropout = FastDropout(dropout)
        self.negative_slope = negative_slope

    def forward(self, vectors: Tensor, fitted: Tensor, level: Neighborhood) -> Tensor:
        """New vectors of a level's pairs.

        Shapes:
            vectors ``[P', D]`` of the pairs the level points at; fitted ``[P', D]``: each
            times its session's vector -> ``[P, D]``.
        """
        edges = level.edges(len(vectors))
        attention = segment_softmax(self.scores(fitted, edges), edges.center, edges.centers)
        mixed = mix_edges(vectors, attention, edges)
        both = torch.cat([take(vectors, level.itself), mixed.to(vectors.dtype)], dim=1)
        return F.relu(self.merge(self.dropout(both)))

    def scores(self, fitted: Tensor, edges: Edges) -> Tensor:
        """Unnormalised weights of the neighbors, ``[E]``."""
        query = self.query.weight.squeeze(0)
        from_neighbor = self.suitability(fitted)
        return edge_scores(None, from_neighbor, edges, self.edge_weight, query, self.negative_slope)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"negative_slope={self.negative_slope}"


class GlobalNeighborEncoder(nn.Module):
    """Several hops of :class:`SessionAwareAggregator` over the global graph.

    Args:
        dim: size of the vectors.
        hops: how far neighbors count; each hop has weights of its own.
        dropout: inside the aggregators.
    """

    def __init__(self, dim: int, hops: int, dropout: float) -> None:
        super().__init__()
        self.aggregators = nn.ModuleList(SessionAwareAggregator(dim, dropout) for _ in range(hops))

    def forward(
        self,
        look_up: Callable[[Tensor], Tensor],
        sessions: Tensor,
        nodes: Tensor,
        graph: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Vectors of the session graphs' nodes as the global graph sees them.

        Shapes:
            look_up: items ``[P]`` -> vectors ``[P, D]``; sessions ``[B, D]``; nodes ``[B, S]``;
            graph: neighbors and weights, both ``[n_items, K]`` -> ``[B, S, D]``, 0 on pads.
        """
        levels, session, item = expand(nodes, *graph, len(self.aggregators))
        vectors = look_up(item)
        for aggregator, level in zip(self.aggregators, reversed(levels), strict=True):
            fitted = vectors * take(sessions.to(vectors.dtype), session)
            vectors = aggregator(vectors, fitted, level)
            session = level.session
        result = vectors.new_zeros(*nodes.shape, vectors.shape[1])
        result[nodes > 0] = vectors
        return result
