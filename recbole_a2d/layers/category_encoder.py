"""Category representations: fused with the category graph, then read along the session."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.data.graphs import TransitionCounts
from recbole_a2d.layers.edges import Edges
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.graph_attention import GraphAttention, with_self_loops
from recbole_a2d.layers.masking import last_click, masked_mean, position_from_end
from recbole_a2d.layers.recurrence import gated_recurrence


class GatedFusion(nn.Module):
    r"""Blend of initial and graph-based vectors (Eq. 5-6).

    .. math::
        \beta = \sigma(W_2 [h^{(0)} ; h^{global}] + b_2) \qquad
        \tilde h = \beta h^{(0)} + (1 - \beta) h^{global}

    Args:
        dim: size of the vectors.
        gate: ``scalar`` (one beta a node) or ``vector`` (one a feature).
    """

    def __init__(self, dim: int, gate: str = "scalar") -> None:
        super().__init__()
        self.gate = nn.Linear(2 * dim, 1 if gate == "scalar" else dim)

    def forward(self, initial: Tensor, graph: Tensor) -> Tensor:
        """Shapes: initial, graph ``[M, D]`` -> ``[M, D]``."""
        of_initial, of_graph = self.gate.weight.chunk(2, dim=1)
        logits = F.linear(initial, of_initial, self.gate.bias) + F.linear(graph, of_graph)
        return torch.lerp(graph, initial, torch.sigmoid(logits.float()))


class CategoryGraphEncoder(nn.Module):
    """Category vectors after ``layers`` rounds of graph attention and the gate (Eq. 3-6).

    Args:
        dim: size of the vectors.
        layers: rounds of attention.
        gate: see :class:`GatedFusion`.
        score_size: see :class:`GraphAttention`.
    """

    def __init__(
        self, dim: int, layers: int = 1, gate: str = "scalar", score_size: int | None = None
    ) -> None:
        super().__init__()
        self.attention = nn.ModuleList(GraphAttention(dim, score_size) for _ in range(layers))
        self.fusion = GatedFusion(dim, gate)

    def forward(self, initial: Tensor, edges: Edges) -> Tensor:
        """Shapes: initial ``[M, D]``, edges among M nodes -> ``[M, D]``."""
        hidden = initial
        for attention in self.attention:
            assert isinstance(attention, GraphAttention)
            hidden = attention.forward_edges(hidden, edges)
        return self.fusion(initial, hidden)


class CategorySequenceEncoder(nn.Module):
    """GRU over a prefix's categories with position and length embeddings (Eq. 7).

    Args:
        dim: size of the vectors and of the state.
        max_length: longest prefix.
    """

    def __init__(self, dim: int, max_length: int) -> None:
        super().__init__()
        self.position = nn.Embedding(max_length + 1, dim, padding_idx=0)
        self.length = nn.Embedding(max_length + 1, dim)
        self.gru = nn.GRUCell(3 * dim, dim)

    def forward(self, categories: Tensor, lengths: Tensor) -> Tensor:
        """State at the last click: categories ``[B, T, D]``, lengths ``[B]`` -> ``[B, D]``."""
        of_category, of_position, of_length = self.gru.weight_ih.chunk(3, dim=1)
        distinct, number = torch.unique(lengths, return_inverse=True)
        places = self._places(distinct, categories.shape[1], of_position, of_length)
        inputs = F.linear(categories, of_category) + places.index_select(0, number)
        states = gated_recurrence(inputs.transpose(0, 1), self.gru.weight_hh, self.gru.bias_hh)
        return last_click(states.transpose(0, 1), lengths)

    def _places(
        self, lengths: Tensor, width: int, of_position: Tensor, of_length: Tensor
    ) -> Tensor:
        """What position and length give to each click of a prefix of each length.

        The lengths of a batch are few: both are multiplied with their weights once for each.

        Shapes:
            lengths ``[L]``, weights ``[3D, D]`` each -> ``[L, width, 3D]``.
        """
        positions = F.linear(self.position.weight[: width + 1], of_position)
        by_length = F.linear(self.length(lengths), of_length, self.gru.bias_ih)
        return F.embedding(position_from_end(lengths, width), positions) + by_length.unsqueeze(1)


@dataclass
class CategoryView:
    """The categories of a batch of prefixes.

    Attributes:
        table: fused category vectors of Eq. 5, ``[M + 1, D]``.
        of_click: those of each click, ``[B, T, D]``.
        mean: over the clicks, ``[B, D]``.
        state: of the sequence encoder at the last click (Eq. 7), ``[B, D]``.
    """

    table: Tensor
    of_click: Tensor
    mean: Tensor
    state: Tensor


class CategoryEncoder(nn.Module):
    """Embedding, graph attention, gate and sequence encoder of section 3.3.

    Args:
        dim: size of the vectors.
        edges: category transitions of the training sessions, without self loops where
            these are dropped.
        layers, gate, score_size: see :class:`CategoryGraphEncoder`.
        max_length: longest prefix.
        dropout: on the vectors that enter the sequence encoder.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    by_target: Tensor

    def __init__(
        self,
        dim: int,
        edges: TransitionCounts,
        *,
        layers: int,
        gate: str,
        max_length: int,
        dropout: float,
        score_size: int | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(edges.nodes, dim, padding_idx=0)
        self.graph = CategoryGraphEncoder(dim, layers, gate, score_size)
        self.sequence = CategorySequenceEncoder(dim, max_length)
        self.dropout = FastDropout(dropout)
        source, count = torch.from_numpy(edges.source), torch.from_numpy(edges.count).float()
        totals = torch.zeros(edges.nodes).index_add_(0, source, count)
        target, weight = torch.from_numpy(edges.target), count / totals[source]
        every = with_self_loops(source, target, weight, edges.nodes)
        self.register_buffer("source", every.center)
        self.register_buffer("target", every.neighbor)
        self.register_buffer("weight", every.weights)
        self.register_buffer("by_target", every.by_neighbor, persistent=False)

    def table(self) -> Tensor:
        """Fused vectors of all categories (Eq. 5), ``[M + 1, D]``; row 0 is "none"."""
        nodes = len(self.embedding.weight)
        edges = Edges(self.source, self.target, self.weight, nodes, nodes, self.by_target)
        fused: Tensor = self.graph(self.embedding.weight, edges)
        return fused

    def forward(
        self, table: Tensor, categories: Tensor, lengths: Tensor, mask: Tensor
    ) -> CategoryView:
        """Shapes: table ``[M + 1, D]``, categories, mask ``[B, T]``, lengths ``[B]``."""
        of_click = F.embedding(categories, table)
        state = self.sequence(self.dropout(of_click), lengths)
        return CategoryView(table, of_click, masked_mean(of_click, mask), state)

    def log_probabilities(self, view: CategoryView) -> Tensor:
        """Log-softmax over the categories (Eq. 23), ``[B, M + 1]``; -inf for none (0)."""
        none = torch.zeros_like(view.table[:, 0])
        none[0] = -torch.inf
        return F.linear(view.state, view.table, none).float().log_softmax(1)


def category_loss(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the target's category (Eq. 24); rows without one (0) left out.

    Shapes: log_probabilities ``[B, M + 1]``, targets ``[B]`` -> scalar, 0 where no row has one.
    """
    total = F.nll_loss(log_probabilities, targets, ignore_index=0, reduction="sum")
    return total / max(int((targets > 0).sum()), 1)
