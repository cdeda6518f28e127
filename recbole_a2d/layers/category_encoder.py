"""Category representations: fused with the category graph, then read along the session."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbole_a2d.layers.graph_attention import GraphAttention
from recbole_a2d.layers.masking import last_click, position_from_end


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
        beta = torch.sigmoid(self.gate(torch.cat([initial, graph], dim=-1)).float())
        return beta * initial + (1.0 - beta) * graph


class CategoryGraphEncoder(nn.Module):
    """Category vectors after ``layers`` rounds of graph attention and the gate (Eq. 3-6).

    Args:
        dim: size of the vectors.
        layers: rounds of attention.
        gate: see :class:`GatedFusion`.
    """

    def __init__(self, dim: int, layers: int = 1, gate: str = "scalar") -> None:
        super().__init__()
        self.attention = nn.ModuleList(GraphAttention(dim) for _ in range(layers))
        self.fusion = GatedFusion(dim, gate)

    def forward(self, initial: Tensor, source: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Shapes: initial ``[M, D]``; edges source, target, weights ``[E]`` -> ``[M, D]``."""
        hidden = initial
        for attention in self.attention:
            hidden = attention.forward_edges(hidden, source, target, weights)
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
        self.gru = nn.GRU(3 * dim, dim, batch_first=True)

    def forward(self, categories: Tensor, lengths: Tensor) -> Tensor:
        """State at the last click: categories ``[B, T, D]``, lengths ``[B]`` -> ``[B, D]``."""
        rows, width, _ = categories.shape
        position = self.position(position_from_end(lengths, width))
        length = self.length(lengths).unsqueeze(1).expand(rows, width, -1)
        states, _ = self.gru(torch.cat([categories, position, length], dim=-1))
        return last_click(states, lengths)
