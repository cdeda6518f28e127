"""Weighted edges of a graph, and sums along them without a vector for each edge."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_IN_16_BITS = 1 << 16


class Edges:
    """Edges from centers to neighbours, in the order of their centers.

    Args:
        center, neighbor: nodes of each edge, ``[E]``; center ascending.
        weights: ``[E]``.
        centers, neighbors: how many nodes of either kind there are.
        by_neighbor: places of the edges in the order of their neighbours, ``[E]``, where that is
            known; it takes a sort, which only gradients need.
    """

    def __init__(
        self,
        center: Tensor,
        neighbor: Tensor,
        weights: Tensor,
        centers: int,
        neighbors: int,
        by_neighbor: Tensor | None = None,
    ) -> None:
        self.center, self.neighbor, self.weights = (
            center.contiguous(),
            neighbor.contiguous(),
            weights,
        )
        self.centers, self.neighbors = centers, neighbors
        self._by_neighbor = by_neighbor

    @classmethod
    def in_any_order(
        cls, center: Tensor, neighbor: Tensor, weights: Tensor, centers: int, neighbors: int
    ) -> Edges:
        """Edges that come as they like, else as above; those of one center keep their order."""
        order = _order(center, centers)
        center, neighbor, weights = (
            one.index_select(0, order) for one in (center, neighbor, weights)
        )
        return cls(center, neighbor, weights, centers, neighbors)

    def __len__(self) -> int:
        return len(self.center)

    @cached_property
    def by_neighbor(self) -> Tensor:
        """Places of the edges in the order of their neighbours, ``[E]``."""
        given = self._by_neighbor
        return _order(self.neighbor, self.neighbors) if given is None else given

    def of_centers(self, values: Tensor, weights: Tensor) -> Tensor:
        """Weighted sums of what the edges of each center carry; ``[E, D], [E] -> [centers, D]``."""
        places = torch.arange(len(self), device=values.device)
        return _bag(values, places, self._starts, weights)

    def of_neighbors(self, values: Tensor, weights: Tensor) -> Tensor:
        """The same for each neighbour; ``[E, D], [E] -> [neighbors, D]``."""
        order = self.by_neighbor
        return _bag(values, order, self._neighbor_starts, weights.index_select(0, order))

    def to_centers(self, vectors: Tensor, weights: Tensor) -> Tensor:
        """Weighted sums of the neighbours' vectors; ``[neighbors, D], [E] -> [centers, D]``."""
        return _bag(vectors, self.neighbor, self._starts, weights)

    def to_neighbors(self, vectors: Tensor, weights: Tensor) -> Tensor:
        """Weighted sums of the centers' vectors; ``[centers, D], [E] -> [neighbors, D]``."""
        center, weights = (one.index_select(0, self.by_neighbor) for one in (self.center, weights))
        return _bag(vectors, center, self._neighbor_starts, weights)

    def products(self, of_center: Tensor, of_neighbor: Tensor) -> Tensor:
        """Dot product of each edge's two vectors; ``[centers, D], [neighbors, D] -> [E]``."""
        found: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            of_center, of_neighbor, self.neighbor, self._starts, self.center, 0
        )
        return found

    @cached_property
    def _starts(self) -> Tensor:
        """First edge of each center."""
        return _starts(self.center, self.centers)

    @cached_property
    def _neighbor_starts(self) -> Tensor:
        """The same of each neighbour, in the order by neighbour."""
        return _starts(self.neighbor.index_select(0, self.by_neighbor), self.neighbors)


def mix_edges(vectors: Tensor, weights: Tensor, edges: Edges) -> Tensor:
    """Weighted sum of each center's neighbours; first-order gradients only.

    Shapes:
        vectors ``[neighbors, D]``, weights ``[E]`` -> ``[centers, D]``, float32.
    """
    mixed: Tensor = _MixEdges.apply(vectors.float(), weights.float(), edges)
    return mixed


class _MixEdges(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, weights: Tensor, edges: Edges) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(vectors, weights)
        return edges.to_centers(vectors, weights)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        vectors, weights = ctx.saved_tensors
        grad, edges = grads[0].contiguous(), ctx.edges
        return edges.to_neighbors(grad, weights), edges.products(grad, vectors), None


def _bag(vectors: Tensor, index: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    return F.embedding_bag(index, vectors, starts, mode="sum", per_sample_weights=weights)


def _starts(ascending: Tensor, count: int) -> Tensor:
    return torch.searchsorted(ascending, torch.arange(count, device=ascending.device))


def _order(numbers: Tensor, count: int) -> Tensor:
    """Places of numbers below ``count`` in ascending order, those of one number as they stand."""
    if numbers.device.type == "cpu" and count <= _IN_16_BITS:
        # numpy sorts these by their bytes, which is faster than comparing them
        small = numbers.numpy().astype(np.uint16)
        return torch.from_numpy(small.argsort(kind="stable"))
    return torch.argsort(numbers, stable=True)
