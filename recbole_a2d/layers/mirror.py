"""Mirror graph of attributes: what an item's fellows say of it (MGS, sections 3.3-3.5)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.segments import masked_softmax, mix_rows, take
from recbole_a2d.layers.typed_graph_attention import TypedGraphAttention


class AttributeAggregator(nn.Module):
    r"""Mirror vectors of items: a mix of items that share their attribute.

    .. math::
        e_{ij} = \mathrm{LeakyReLU}\bigl(w^\top [h_i ; h_j]\bigr) \qquad
        f_i = \sum_j \mathrm{softmax}_j(e_{ij})\, h_j

    Args:
        dim: size of the vectors.
        negative_slope: of the LeakyReLU.
    """

    def __init__(self, dim: int, negative_slope: float = 0.2) -> None:
        super().__init__()
        self.center = nn.Linear(dim, 1, bias=False)
        self.fellow = nn.Linear(dim, 1, bias=False)
        self.negative_slope = negative_slope

    def forward(
        self, table: Tensor, items: Tensor, draws: list[tuple[Tensor, Tensor]]
    ) -> tuple[list[Tensor], Tensor]:
        """Mirror vectors from each draw alone, and from all draws put together.

        The union needs no sums of its own: softmax over all fellows weighs the draws' mixes
        by the softmax of their log-sum-exps.

        Shapes:
            table ``[n_items, D]``; items ``[U]``; draws: fellows ``[U, K]`` (0 on empty
            places) and their mask ``[U, K]`` -> one ``[U, D]`` a draw, and ``[U, D]``; zero
            for an item without fellows.
        """
        from_center = self.center(take(table, items)).float()
        from_fellow = self.fellow(table).float()
        mixes, totals = [], []
        for fellows, mask in draws:
            scores = from_center + take(from_fellow, fellows).squeeze(2)
            scores = F.leaky_relu(scores, self.negative_slope)
            mixes.append(mix_rows(table, fellows, masked_softmax(scores, mask)))
            lowest = torch.finfo(scores.dtype).min
            totals.append(scores.masked_fill(~mask, lowest).logsumexp(1))
        shares = torch.stack(totals, dim=1).softmax(1)
        union = sum(
            (share.unsqueeze(1) * mix for share, mix in zip(shares.unbind(1), mixes, strict=True)),
            torch.zeros_like(mixes[0]),
        )
        return mixes, union


class MirrorLayer(nn.Module):
    r"""One round between the session graph and its mirror.

    .. math::
        x &\leftarrow \mathrm{TypedGraphAttention}(x) \\
        x_i &\leftarrow x_i + \alpha_i (f_i - x_i), \quad
            \alpha_i = (W_{q1} x_i)^\top (W_{k1} f_i) / \sqrt d \\
        f_i &\leftarrow \sum_j \mathrm{softmax}_j
            \bigl((W_{q2} f_i)^\top (W_{k2} x_j) / \sqrt d\bigr)\, f_j

    Args:
        dim: size of the vectors.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.local = TypedGraphAttention(dim)
        self.node_query = nn.Linear(dim, dim, bias=False)
        self.mirror_key = nn.Linear(dim, dim, bias=False)
        self.mirror_query = nn.Linear(dim, dim, bias=False)
        self.node_key = nn.Linear(dim, dim, bias=False)

    def forward(
        self, nodes: Tensor, mirror: Tensor, edge_types: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """New vectors of the nodes and of their mirrors.

        Shapes:
            nodes, mirror ``[B, S, D]``, edge_types ``[B, S, S]``, mask ``[B, S]``
            -> nodes, mirror ``[B, S, D]``.
        """
        scale = 1.0 / math.sqrt(nodes.shape[2])
        nodes = self.local(nodes, edge_types)
        agreement = (self.node_query(nodes) * self.mirror_key(mirror)).float().sum(2, keepdim=True)
        nodes = nodes + (agreement * scale).to(nodes.dtype) * (mirror - nodes)
        scores = torch.bmm(self.mirror_query(mirror), self.node_key(nodes).transpose(1, 2)) * scale
        weights = masked_softmax(scores, mask.unsqueeze(1))
        return nodes, torch.bmm(weights.to(mirror.dtype), mirror)


class MirrorReadout(nn.Module):
    r"""Session vectors from nodes, their mirrors and the last click.

    .. math::
        z = \sum_i q^\top \sigma(G_1 h_i + G_2 f_i + G_3 h_{last} + c)\; h_i \qquad
        S = g \odot h_{last} + (1 - g) \odot z, \quad g = \mu\, \sigma(W [z ; h_{last}])

    where ``h_i`` already holds the vector of node i's rank by recency.

    Args:
        dim: size of the vectors.
        max_length: largest number of nodes.
        last_click_weight: mu, from 0 (no gate) up.
    """

    def __init__(self, dim: int, max_length: int, last_click_weight: float) -> None:
        super().__init__()
        self.position = nn.Embedding(max_length, dim)
        self.node = nn.Linear(dim, dim)
        self.mirror = nn.Linear(dim, dim, bias=False)
        self.last = nn.Linear(dim, dim, bias=False)
        self.query = nn.Linear(dim, 1, bias=False)
        self.last_click_weight = last_click_weight
        self.gate = nn.Linear(2 * dim, dim) if last_click_weight > 0 else None

    def forward(self, nodes: Tensor, mirror: Tensor, mask: Tensor) -> Tensor:
        """Session vectors.

        Shapes: nodes (the first is the last click), mirror ``[B, S, D]``, mask ``[B, S]`` (True
        on nodes) -> ``[B, D]``.
        """
        last = nodes[:, 0]
        placed = nodes + self.position.weight[: nodes.shape[1]].to(nodes.dtype)
        hidden = self.node(placed) + self.mirror(mirror) + self.last(last).unsqueeze(1)
        weights = self.query(torch.sigmoid(hidden)) * mask.unsqueeze(2)
        summary = torch.bmm(weights.transpose(1, 2).to(placed.dtype), placed).squeeze(1)
        if self.gate is None:
            return summary
        gate = self.last_click_weight * torch.sigmoid(self.gate(torch.cat([summary, last], dim=1)))
        return gate * last + (1 - gate) * summary


def mirror_contrast(first: Tensor, second: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """InfoNCE between two draws: each node shall find itself among the session's nodes.

    Summed over the nodes of a session and averaged over the batch.

    Shapes:
        first, second ``[B, S, D]``, mask ``[B, S]`` of the nodes that count -> scalar.
    """
    scores = torch.bmm(first, second.transpose(1, 2)).float() / temperature
    scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(torch.float32).min)
    right = scores.log_softmax(2).diagonal(dim1=1, dim2=2)
    return -(right * mask).sum() / len(mask)
