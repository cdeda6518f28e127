"""Graphs of single sessions, for a whole batch at once and without a loop over its rows.

A prefix is a list of clicks; its graph has one node for every distinct item. The nodes of
a row are numbered by their first click, so equal prefixes give equal graphs whatever batch
they stand in. Everything is made by comparing and counting, with no step of Python a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

SELF, SUCCESSOR, PREDECESSOR, MUTUAL = 1, 2, 3, 4
"""Edge types of :meth:`SessionGraph.edge_types`; 0 is no edge."""


@dataclass(frozen=True)
class SessionGraph:
    """Distinct items of each prefix and where each click finds its own.

    Attributes:
        clicks: item ids, right-padded with 0, trimmed to the longest prefix, ``[B, T]``.
        nodes: distinct items in order of first click, right-padded with 0, ``[B, S]``.
        alias: node of each click, 0 on pads, ``[B, T]``.
    """

    clicks: Tensor
    nodes: Tensor
    alias: Tensor

    @property
    def click_mask(self) -> Tensor:
        """True on clicks, ``[B, T]``."""
        return self.clicks > 0

    @property
    def node_mask(self) -> Tensor:
        """True on nodes, ``[B, S]``."""
        return self.nodes > 0

    @property
    def lengths(self) -> Tensor:
        """Clicks of each prefix, ``[B]``."""
        return self.click_mask.sum(1)

    @cached_property
    def transitions(self) -> Tensor:
        """How often the item of node i is followed by that of node j, float ``[B, S, S]``."""
        rows, slots = self.nodes.shape
        source, target = self.alias[:, :-1], self.alias[:, 1:]
        row = torch.arange(rows, device=source.device).unsqueeze(1)
        cell = (row * slots + source) * slots + target
        counts = torch.zeros(rows * slots * slots, device=source.device)
        counts.index_add_(0, cell.reshape(-1), self.click_mask[:, 1:].reshape(-1).float())
        return counts.view(rows, slots, slots)

    def mean_adjacency(self) -> tuple[Tensor, Tensor]:
        """Matrices that average over a node's predecessors and over its successors (SR-GNN).

        Repeated transitions count once. Entry ``[b, i, j]`` of the first is 1 / (number of
        predecessors of i) where j is one of them; of the second likewise for successors.
        A node without any has a row of zeros.
        """
        successors = (self.transitions > 0).float()
        predecessors = successors.transpose(1, 2)
        return _row_mean(predecessors), _row_mean(successors)

    def edge_types(self) -> Tensor:
        """Type of the edge from node i to node j, ``[B, S, S]`` (GCE-GNN, section 3.2.1).

        ``SELF`` on the diagonal of nodes; else ``SUCCESSOR`` where j only follows i,
        ``PREDECESSOR`` where it only precedes it, ``MUTUAL`` where both happen; 0: no edge.
        """
        forward = self.transitions > 0
        types = SUCCESSOR * forward + PREDECESSOR * forward.transpose(1, 2)
        types = torch.where(types == SUCCESSOR + PREDECESSOR, MUTUAL, types)
        diagonal = torch.eye(self.nodes.shape[1], dtype=torch.bool, device=types.device)
        return torch.where(diagonal & self.node_mask.unsqueeze(2), SELF, types)

    def at_clicks(self, node_vectors: Tensor) -> Tensor:
        """Vector of each click's node; ``[B, S, D] -> [B, T, D]`` (node 0's on pads)."""
        index = self.alias.unsqueeze(2).expand(-1, -1, node_vectors.shape[2])
        return node_vectors.gather(1, index)


def build_session_graph(item_seq: Tensor) -> SessionGraph:
    """Graph of every prefix of a batch.

    Args:
        item_seq: item ids ``[B, T]``, left-aligned and padded with 0 on the right.
    """
    clicks = trim(item_seq)
    mask = clicks > 0
    first = first_occurrence(clicks.unsqueeze(2) == clicks.unsqueeze(1))
    steps = torch.arange(clicks.shape[1], device=clicks.device)
    is_first = (first == steps) & mask
    number = is_first.cumsum(1) - 1
    alias = number.gather(1, first).clamp_min(0) * mask
    slots = max(int(is_first.sum(1).max()), 1)
    nodes = clicks.new_zeros(len(clicks), slots + 1)
    # repeats and pads are written to a column of their own, which is cut off again
    nodes.scatter_(1, torch.where(is_first, number, slots), clicks)
    return SessionGraph(clicks, nodes[:, :slots], alias)


def first_occurrence(same: Tensor) -> Tensor:
    """First place equal to each place; ``same [B, T, T]`` is true at (i, i) -> ``[B, T]``."""
    steps = torch.arange(same.shape[2], device=same.device)
    return torch.where(same, steps, same.shape[2]).amin(2)


def trim(item_seq: Tensor) -> Tensor:
    """Cut padding columns that no row needs, but for one; ``[B, T] -> [B, T']``."""
    longest = int((item_seq > 0).sum(1).max())
    return item_seq[:, : max(longest, 1)]


def reverse_clicks(item_seq: Tensor) -> Tensor:
    """Last click first, pads still on the right; ``[B, T] -> [B, T]``."""
    lengths = (item_seq > 0).sum(1, keepdim=True)
    steps = torch.arange(item_seq.shape[1], device=item_seq.device)
    index = lengths - 1 - steps
    return item_seq.gather(1, index.clamp_min(0)) * (index >= 0)


def _row_mean(edges: Tensor) -> Tensor:
    return edges / edges.sum(2, keepdim=True).clamp_min(1.0)
