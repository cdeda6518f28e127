"""Items seen through the transition graph, for the items of one batch (section 3.4)."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.data.graphs import NeighborTable
from recbole_a2d.layers.graph_attention import GraphAttention
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.layers.masking import last_click


class ItemGraphEncoder(nn.Module):
    """Graph attention for the distinct items of a batch, the training row's own edge left out.

    Every training row's answer is by construction a neighbour of its last click. Given
    ``targets`` and ``own_counts``, the edge last click -> target of each row is counted
    without the row's own session: the strongest neighbours are those that remain, weights are
    shares of what remains, and the last click gets a vector of its own in each row, wherever it
    stands in the prefix. Its other clicks are seen as always; where the session went from one of
    those to the target as well, before or after the row, that edge stays.

    Args:
        dim: size of the vectors.
        graph: the strongest neighbours of each item, with counts: one more than it attends to,
            which comes in where the row's own edge falls out.
        residual: add the item's own vector.
        score_size: see :class:`GraphAttention`.
    """

    neighbors: Tensor
    counts: Tensor
    totals: Tensor
    next_neighbor: Tensor
    next_count: Tensor

    def __init__(
        self,
        dim: int,
        graph: NeighborTable,
        *,
        residual: bool = True,
        score_size: int | None = None,
    ) -> None:
        super().__init__()
        self.attention = GraphAttention(dim, score_size)
        self.residual = residual
        neighbors, counts = torch.from_numpy(graph.neighbors), torch.from_numpy(graph.counts)
        self.register_buffer("neighbors", neighbors[:, :-1].contiguous())
        self.register_buffer("counts", counts[:, :-1].float())
        self.register_buffer("totals", torch.from_numpy(graph.totals).float())
        self.register_buffer("next_neighbor", neighbors[:, -1:].contiguous(), persistent=False)
        self.register_buffer("next_count", counts[:, -1:].float(), persistent=False)

    def forward(
        self,
        vectors: ItemVectors,
        prefixes: Tensor,
        lengths: Tensor,
        targets: Tensor | None = None,
        own_counts: Tensor | None = None,
    ) -> Tensor:
        """Vectors of the clicks: prefixes ``[B, T]``, lengths, targets, own_counts ``[B]``
        -> ``[B, T, D]``.
        """
        items, place = torch.unique(prefixes, return_inverse=True)
        edges = self._edges(items)
        if targets is not None and own_counts is not None:
            last = last_click(prefixes.unsqueeze(-1), lengths).squeeze(-1)
            without = self._edges_without(last, targets, own_counts.float())
            edges = torch.cat([edges[0], without[0]]), torch.cat([edges[1], without[1]])
            row = torch.arange(len(last), device=last.device).unsqueeze(1)
            place = torch.where(prefixes == last.unsqueeze(1), len(items) + row, place)
            items = torch.cat([items, last])
        return F.embedding(place, self._attend(vectors, items, *edges))

    def encode(self, table: ItemVectors, items: Tensor) -> Tensor:
        """Vectors of some items: items ``[U]`` -> ``[U, D]``."""
        return self._attend(table, items, *self._edges(items))

    def _edges(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours and weights of some items, ``[U, K]`` each."""
        return self.neighbors[items], _shares(self.counts[items], self.totals[items])

    def _edges_without(self, items: Tensor, targets: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """The same, each item's edge to a target made weaker by a count of its own, ``[B]``."""
        neighbors = torch.cat([self.neighbors[items], self.next_neighbor[items]], dim=1)
        counts = torch.cat([self.counts[items], self.next_count[items]], dim=1)
        counts = counts - own.unsqueeze(1) * (neighbors == targets.unsqueeze(1))
        # The weakest falls out, of equally weak ones the last item, as in strongest_neighbors.
        order = counts.long() * len(self.neighbors) - neighbors
        kept = torch.arange(neighbors.shape[1] - 1, device=items.device)
        kept = kept + (kept >= order.argmin(1, keepdim=True))
        totals = self.totals[items] - own
        return neighbors.gather(1, kept), _shares(counts.gather(1, kept), totals)

    def _attend(
        self, table: ItemVectors, items: Tensor, neighbors: Tensor, weights: Tensor
    ) -> Tensor:
        """Vectors of items ``[U]`` with neighbours and weights ``[U, K]`` -> ``[U, D]``."""
        involved, index = torch.unique(
            torch.cat([items.unsqueeze(1), neighbors], dim=1), return_inverse=True
        )
        vectors = table.rows(involved)
        encoded = self.attention(vectors, index[:, 0], index[:, 1:], weights)
        if self.residual:
            encoded = encoded + F.embedding(index[:, 0], vectors)
        return cast(Tensor, encoded)


def _shares(counts: Tensor, totals: Tensor) -> Tensor:
    return counts / totals.clamp_min(1.0).unsqueeze(1)
