"""Hypergraph of a session's items and categories, and attention along it (CLHHN)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.segments import masked_softmax
from recbole_a2d.layers.session_graph import SessionGraph


def window_incidence(items: SessionGraph, categories: SessionGraph, width: int) -> Tensor:
    """How often each hyperedge holds each node.

    Hyperedges of a session of n clicks: every run of 1 to ``width`` clicks, once for its items
    and once for its categories; all items; all categories; and for each click the pair of its
    item and its category. Equal runs stay separate, and an item that comes twice in a run
    counts twice ("lossless").

    Args:
        items, categories: graphs of the same clicks, of items and of categories.
        width: longest run.

    Returns:
        ``[B, E, S + C]``: nodes are the S items, then the C categories; a hyperedge that a
        shorter session lacks is a row of zeros.
    """
    item_runs = _runs(items, width)
    category_runs = _runs(categories, width)
    pairs = torch.cat([_one_hot(items), _one_hot(categories)], dim=2)
    empty_left = item_runs.new_zeros(*item_runs.shape[:2], categories.nodes.shape[1])
    empty_right = category_runs.new_zeros(*category_runs.shape[:2], items.nodes.shape[1])
    return torch.cat(
        [
            torch.cat([item_runs, empty_left], dim=2),
            torch.cat([empty_right, category_runs], dim=2),
            pairs,
        ],
        dim=1,
    )


def _one_hot(graph: SessionGraph) -> Tensor:
    """Which node each click is, ``[B, T, S]``; zeros on pads."""
    hot = F.one_hot(graph.alias, graph.nodes.shape[1]).float()
    return hot * graph.click_mask.unsqueeze(2)


def _runs(graph: SessionGraph, width: int) -> Tensor:
    """Hyperedges of all runs and of the whole session, ``[B, E, S]``."""
    clicks = _one_hot(graph)
    steps = torch.arange(clicks.shape[1], device=clicks.device)
    # a run of length r that starts at t covers the steps t .. t + r - 1
    length = torch.arange(1, min(width, len(steps)) + 1, device=clicks.device).view(-1, 1, 1)
    ahead = steps - steps.unsqueeze(1)
    covered = ((ahead >= 0) & (ahead < length)).flatten(0, 1).float()
    end = (steps + length.squeeze(2)).flatten()
    inside = end <= graph.lengths.unsqueeze(1)
    runs = (covered @ clicks) * inside.unsqueeze(2)
    return torch.cat([runs, clicks.sum(1, keepdim=True)], dim=1)


class HypergraphAttention(nn.Module):
    r"""Attention from nodes to hyperedges and back, some rounds with the same weights.

    .. math::
        a_{ji} &= \mathrm{LeakyReLU}\bigl(q_1^\top [e_j \odot x_i ; m_{ji}]\bigr), \quad
        e_j \leftarrow \sum_i \mathrm{softmax}_i(a_{ji})\, x_i \\
        b_{ji} &= \mathrm{LeakyReLU}\bigl(q_2^\top [e_j \odot x_i ; m_{ji}]\bigr), \quad
        x_i \leftarrow \sum_j \mathrm{softmax}_j(b_{ji})\, e_j

    with :math:`m_{ji}` how often hyperedge j holds node i, under dropout; at first, ``e_j`` is
    the mean of what it holds. Hyperedges are always mixes of the nodes, :math:`e = A x`, so
    :math:`e_j^\top \mathrm{diag}(q)\, x_i` is an entry of :math:`A (x\,\mathrm{diag}(q)\,x^\top)`
    and no vector of a hyperedge is ever made.

    Args:
        dim: size of the vectors.
        rounds: how often to go to the hyperedges and back.
        dropout: on the incidence inside the scores.
        negative_slope: of the LeakyReLU.
    """

    def __init__(self, dim: int, rounds: int, dropout: float, negative_slope: float = 0.2) -> None:
        super().__init__()
        bound = dim**-0.5
        self.to_edge = nn.Parameter(torch.empty(dim + 1).uniform_(-bound, bound))
        self.to_node = nn.Parameter(torch.empty(dim + 1).uniform_(-bound, bound))
        self.dropout = FastDropout(dropout)
        self.rounds = rounds
        self.negative_slope = negative_slope

    def forward(self, nodes: Tensor, incidence: Tensor) -> Tensor:
        """Shapes: nodes ``[B, V, D]``, incidence ``[B, E, V]`` -> ``[B, V, D]``.

        A node in no hyperedge comes out as zero.
        """
        held = incidence > 0
        mix = incidence / incidence.sum(2, keepdim=True).clamp_min(1.0)
        mixed = nodes  # what the hyperedges are mixes of: the nodes of one round before
        for _ in range(self.rounds):
            scores = self._scores(self.to_edge, mix, mixed, nodes, incidence)
            mix, mixed = masked_softmax(scores, held, dim=2), nodes
            scores = self._scores(self.to_node, mix, mixed, nodes, incidence)
            back = masked_softmax(scores, held, dim=1)
            between_nodes = torch.bmm(back.transpose(1, 2), mix)
            nodes = torch.bmm(between_nodes.to(nodes.dtype), nodes)
        return nodes

    def _scores(
        self, query: Tensor, mix: Tensor, mixed: Tensor, nodes: Tensor, incidence: Tensor
    ) -> Tensor:
        products = torch.bmm(mixed * query[:-1].to(mixed.dtype), nodes.transpose(1, 2))
        scores = torch.bmm(mix.to(products.dtype), products).float()
        return F.leaky_relu(scores + query[-1] * self.dropout(incidence), self.negative_slope)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"rounds={self.rounds}, negative_slope={self.negative_slope}"
