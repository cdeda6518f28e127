"""Attention inside a session graph with one vector for each type of edge (GCE-GNN, Eq. 5-7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.segments import masked_softmax

EDGE_TYPES = 4


class TypedGraphAttention(nn.Module):
    r"""Every node becomes a mix of its neighbors and itself, weighed by type of edge.

    .. math::
        e_{ij} = \mathrm{LeakyReLU}\bigl(a_{r_{ij}}^\top (h_i \odot h_j)\bigr) \qquad
        h_i' = \sum_j \mathrm{softmax}_j(e_{ij})\, h_j

    where :math:`r_{ij}` is the edge's type, 1 to 4. The scores of all four types are matrix
    products, so no array of ``S x S`` vectors is made.

    Args:
        dim: size of the vectors.
        negative_slope: of the LeakyReLU.
    """

    def __init__(self, dim: int, negative_slope: float = 0.2) -> None:
        super().__init__()
        self.type_vectors = nn.Parameter(torch.empty(EDGE_TYPES, dim))
        self.negative_slope = negative_slope
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw from U(-1/sqrt(dim), 1/sqrt(dim))."""
        bound = self.type_vectors.shape[1] ** -0.5
        nn.init.uniform_(self.type_vectors, -bound, bound)

    def forward(self, nodes: Tensor, edge_types: Tensor) -> Tensor:
        """Shapes: nodes ``[B, S, D]``, edge_types ``[B, S, S]`` in 0..4 -> ``[B, S, D]``.

        A node without any edge comes out as zero.
        """
        weights = masked_softmax(self.scores(nodes, edge_types), edge_types > 0)
        return torch.bmm(weights.to(nodes.dtype), nodes)

    def scores(self, nodes: Tensor, edge_types: Tensor) -> Tensor:
        """Unnormalised scores, ``[B, S, S]``; of no meaning where there is no edge."""
        rows, slots, dim = nodes.shape
        scaled = nodes.unsqueeze(1) * self.type_vectors.view(1, EDGE_TYPES, 1, dim)
        products = torch.bmm(scaled.view(rows, -1, dim), nodes.transpose(1, 2))
        products = products.view(rows, EDGE_TYPES, slots, slots)
        chosen = products.gather(1, (edge_types - 1).clamp_min(0).unsqueeze(1)).squeeze(1)
        return F.leaky_relu(chosen, self.negative_slope)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"dim={self.type_vectors.shape[1]}, negative_slope={self.negative_slope}"
