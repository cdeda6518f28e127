"""Deep graph infomax on the graph of all items: the inter-session task of MTD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from torch import Tensor, nn


@dataclass(frozen=True)
class NeighborLists:
    """An undirected graph: each node's neighbours, itself among them, end to end.

    Attributes:
        offsets: node ``v`` has ``neighbors[offsets[v]:offsets[v + 1]]``, ``[nodes + 1]``.
        neighbors: node ids, ``[edges]``.
    """

    offsets: Tensor
    neighbors: Tensor

    @classmethod
    def from_edges(
        cls, source: NDArray[np.int64], target: NDArray[np.int64], nodes: int
    ) -> NeighborLists:
        """Build from edges ``[edges]`` in either direction, repeats allowed."""
        loops = np.arange(nodes)
        rows = np.concatenate([source, target, loops])
        columns = np.concatenate([target, source, loops])
        graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), (nodes, nodes)).tocsr()
        return cls(
            torch.from_numpy(graph.indptr.astype(np.int64)),
            torch.from_numpy(graph.indices.astype(np.int64)),
        )

    def of(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours of some nodes end to end and where each node's begin; ``[S] -> [*], [S]``."""
        first = self.offsets[nodes]
        degrees = self.offsets[nodes + 1] - first
        starts = degrees.cumsum(0) - degrees
        shift = torch.repeat_interleave(first - starts, degrees)
        return self.neighbors[torch.arange(len(shift), device=nodes.device) + shift], starts


class GraphInfomax(nn.Module):
    r"""Tell a graph's nodes from the same graph with shuffled features (Velickovic et al., 2019).

    One graph convolution with sum aggregation makes the node vectors; a bilinear
    discriminator tells the true ones, :math:`h`, from those of permuted features,
    :math:`\tilde h`, by their match with the graph's summary :math:`c`.

    .. math::
        h_v = \tanh\Big(\mathrm{LN}\big(\textstyle\sum_{u \in N(v) \cup v} x_u W\big)\Big) \qquad
        c = \sigma\Big(\frac1S \sum_v h_v\Big) \qquad
        L = -\frac1{2S} \sum_v \log \sigma(c^\top M h_v) + \log (1 - \sigma(c^\top M \tilde h_v))

    Sums over v run over the S nodes asked for: all of them, or a sample.

    Args:
        dim: size of the vectors.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim, bias=False)
        self.norm = nn.LayerNorm(dim, eps=1e-8)
        self.discriminator = nn.Linear(dim, dim, bias=False)

    def encode(self, graph: NeighborLists, features: Tensor, nodes: Tensor) -> Tensor:
        """Vectors of the nodes; shapes: features ``[N, D]``, nodes ``[S]`` -> ``[S, D]``."""
        return self._convolve(features, *graph.of(nodes))

    def forward(
        self, graph: NeighborLists, features: Tensor, nodes: Tensor, shuffle: Tensor
    ) -> Tensor:
        """Loss of the nodes.

        Shapes:
            features ``[N, D]``; nodes ``[S]``; shuffle ``[N]``, a permutation of the nodes: in
            the corrupted graph node v has the features of ``shuffle[v]`` -> scalar.
        """
        neighbors, starts = graph.of(nodes)
        true = self._convolve(features, neighbors, starts)
        corrupted = self._convolve(features, shuffle[neighbors], starts)
        with torch.autocast(features.device.type, enabled=False):
            probe = torch.sigmoid(true.mean(dim=0)) @ self.discriminator.weight
            # -log sigmoid(x) is softplus(-x), -log(1 - sigmoid(x)) is softplus(x).
            loss = F.softplus(-(true @ probe)).mean() + F.softplus(corrupted @ probe).mean()
        return loss / 2

    def _convolve(self, features: Tensor, neighbors: Tensor, starts: Tensor) -> Tensor:
        # The sum goes before the product with W: the product is then over S rows, not over N.
        summed = F.embedding_bag(neighbors, features, starts, mode="sum")
        return torch.tanh(self.norm(self.linear(summed).float()))


@torch.enable_grad()
def fitted_vectors(
    infomax: GraphInfomax,
    graph: NeighborLists,
    features: Tensor,
    *,
    steps: int,
    patience: int,
    learning_rate: float,
) -> Tensor:
    """Fit the infomax to fixed features and return the vectors of all nodes but 0, the pad.

    Each step is one Adam step on all nodes; ``patience`` steps in a row without a lower loss
    end the fit. The weights of the lowest loss stay in ``infomax``.

    Shapes: features ``[N, D]`` -> ``[N - 1, D]``, without gradient.
    """
    features = features.detach()
    nodes = torch.arange(1, len(features), device=features.device)
    optimizer = torch.optim.Adam(infomax.parameters(), lr=learning_rate)
    lowest, best, waited = float("inf"), infomax.state_dict(), 0
    with torch.autocast(features.device.type, enabled=False):
        for _ in range(steps):
            loss = infomax(graph, features, nodes, shuffled_nodes(len(features), features.device))
            waited = waited + 1 if loss.item() >= lowest else 0
            if not waited:
                lowest = loss.item()
                best = {name: value.clone() for name, value in infomax.state_dict().items()}
            if waited == patience:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        infomax.load_state_dict(best)
        # The model's own optimizer steps next: the last gradients of this one are none of its.
        optimizer.zero_grad()
        return infomax.encode(graph, features, nodes).detach()


def shuffled_nodes(count: int, device: torch.device) -> Tensor:
    """Random permutation of the nodes that leaves 0, the pad, in place; ``[count]``."""
    others = 1 + torch.randperm(count - 1, device=device)
    return torch.cat([others.new_zeros(1), others])
