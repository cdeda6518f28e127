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
    without the row's own session, and its weight renormalised; the last click then gets a
    vector of its own in each row, wherever it stands in the prefix.

    Args:
        dim: size of the vectors.
        graph: the strongest neighbours of each item, with counts.
        residual: add the item's own vector.
        score_size: see :class:`GraphAttention`.
    """

    neighbors: Tensor
    counts: Tensor
    totals: Tensor

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
        self.register_buffer("neighbors", torch.from_numpy(graph.neighbors))
        self.register_buffer("counts", torch.from_numpy(graph.counts).float())
        self.register_buffer("totals", torch.from_numpy(graph.totals).float())

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
        counts, totals = self.counts[items], self.totals[items]
        if targets is not None and own_counts is not None:
            last = last_click(prefixes.unsqueeze(-1), lengths).squeeze(-1)
            less = own_counts.float().unsqueeze(1) * (self.neighbors[last] == targets.unsqueeze(1))
            counts = torch.cat([counts, self.counts[last] - less])
            totals = torch.cat([totals, self.totals[last] - less.sum(1)])
            row = torch.arange(len(last), device=last.device).unsqueeze(1)
            place = torch.where(prefixes == last.unsqueeze(1), len(items) + row, place)
            items = torch.cat([items, last])
        weights = counts / totals.clamp_min(1.0).unsqueeze(1)
        return F.embedding(place, self.encode(vectors, items, weights))

    def encode(self, table: ItemVectors, items: Tensor, weights: Tensor | None = None) -> Tensor:
        """Vectors of some items: items ``[U]``, weights ``[U, K]`` -> ``[U, D]``."""
        if weights is None:
            weights = self.counts[items] / self.totals[items].clamp_min(1.0).unsqueeze(1)
        neighbors = self.neighbors[items]
        involved, index = torch.unique(
            torch.cat([items.unsqueeze(1), neighbors], dim=1), return_inverse=True
        )
        vectors = table.rows(involved)
        encoded = self.attention(vectors, index[:, 0], index[:, 1:], weights)
        if self.residual:
            encoded = encoded + F.embedding(index[:, 0], vectors)
        return cast(Tensor, encoded)
