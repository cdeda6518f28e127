"""Layers of MSGIFSR: vectors of units, their heterogeneous graph, and its readout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.consecutive_units import Steps, UnitLevel
from recbole_a2d.layers.edges import Edges
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.segments import segment_mean, segment_softmax, segment_sum, take
from recbole_a2d.layers.strongest_head import Arrival, Sender, strongest_head


class UnitEncoder(nn.Module):
    r"""Unit vectors of length 1: half mean of the items, half last state of a GRU over them.

    A unit of one item is that item's vector. Items' vectors longer than 1 are cut to
    length 1 first.

    Args:
        dim: size of the vectors.
        order: largest number of items in a unit.
        dropout: on the items' vectors.
    """

    def __init__(self, dim: int, order: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = nn.ModuleList(
            nn.GRU(dim, dim, batch_first=True) for _ in range(2, order + 1)
        )
        self.dropout = FastDropout(dropout)

    def forward(self, look_up: Callable[[Tensor], Tensor], levels: list[UnitLevel]) -> list[Tensor]:
        """Vectors of the units, ``[N_k, D]`` float32 for each level k.

        Args:
            look_up: items ``[...]`` -> vectors ``[..., D]``.
            levels: units of one item, of two, ...
        """
        return [self._encode(look_up(level.items), level.items > 0) for level in levels]

    def _encode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        norm = vectors.norm(dim=2, keepdim=True).clamp_min(1.0)
        vectors = self.dropout(vectors / norm)
        size = mask.shape[1]
        if size == 1:
            return F.normalize(vectors.squeeze(1), dim=1)
        states, _ = self.recurrent[size - 2](vectors)
        clicks = mask.sum(1)
        last = states[torch.arange(len(states), device=states.device), clicks - 1]
        mean = (vectors * mask.unsqueeze(2)).sum(1) / clicks.unsqueeze(1)
        return F.normalize((0.5 * (mean + last)).float(), dim=1)


class EdgeAttention(nn.Module):
    r"""Multi-head graph attention along a list of edges, with identity residual and bias.

    .. math::
        e_{ij} = \mathrm{LeakyReLU}(a_l^\top W h_j + a_r^\top W h_i) \qquad
        h_i' = \sum_j \mathrm{softmax}_j(e_{ij})\, W h_j + h_i + b

    for every head, each of the full size. The sum over neighbors is taken before ``W``.

    Args:
        dim: size of the vectors and of each head.
        heads: number of heads.
        dropout: on the vectors and on the attention weights.
        negative_slope: of the LeakyReLU.
    """

    def __init__(self, dim: int, heads: int, dropout: float, negative_slope: float = 0.2) -> None:
        super().__init__()
        bound = dim**-0.5
        self.weight = nn.Parameter(torch.empty(heads, dim, dim).uniform_(-bound, bound))
        self.source_score = nn.Parameter(torch.empty(heads, dim, 1).uniform_(-bound, bound))
        self.target_score = nn.Parameter(torch.empty(heads, dim, 1).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(heads, dim))
        self.dropout = FastDropout(dropout)
        self.negative_slope = negative_slope

    def forward(self, sources: Tensor, targets: Tensor, steps: Steps) -> tuple[Arrival, Tensor]:
        """What comes in at the targets, before ``W``, and what is left of the targets themselves.

        Shapes:
            sources ``[N, D]``, targets ``[M, D]``, steps ``[E]`` each -> ..., ``[M, D]``.
        """
        source, target = steps
        weights = sources.new_ones(len(source))
        edges = Edges.in_any_order(target, source, weights, len(targets), len(sources))
        sources, dropped = self.dropout(sources), self.dropout(targets)
        scores = take(self._scores(self.source_score, sources), edges.neighbor)
        scores = scores + take(self._scores(self.target_score, dropped), edges.center)
        scores = F.leaky_relu(scores, self.negative_slope)
        weights = self.dropout(segment_softmax(scores, edges.center, len(targets)))
        return Arrival(edges, sources, weights.T.contiguous()), dropped

    def _scores(self, query: Tensor, vectors: Tensor) -> Tensor:
        return vectors @ torch.bmm(self.weight, query).squeeze(2).T

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"heads={len(self.weight)}, dim={self.weight.shape[1]}"


class Relation(NamedTuple):
    """Edges of one kind that enter the units of a level.

    Attributes:
        attention: of this kind of edge.
        sources: vectors that the edges come from, ``[N, D]``.
        steps: sources and targets of the edges, ``[E]`` each.
    """

    attention: EdgeAttention
    sources: Tensor
    steps: Steps


def receive(targets: Tensor, relations: list[Relation]) -> Tensor:
    """The strongest head of the sum of what each relation's attention gives the targets.

    Shapes:
        targets ``[M, D] -> [M, D]``.
    """
    arrivals: dict[EdgeAttention, list[Arrival]] = {}
    residual = torch.zeros_like(targets)
    for attention, sources, steps in relations:
        arrival, dropped = attention(sources, targets, steps)
        arrivals.setdefault(attention, []).append(arrival)
        residual = residual + dropped
    senders = [Sender(attention.weight, kinds) for attention, kinds in arrivals.items()]
    bias = torch.stack([attention.bias for attention, _, _ in relations]).sum(0)
    return strongest_head(senders, bias, len(targets)) + residual


class UnitGraphLayer(nn.Module):
    """One round over the units of all levels (MSHGNN), forwards and backwards.

    Relations: units of one level that follow each other, a module a level; and steps between
    items and longer units, one module for all. What comes in along several relations is
    summed, the backward round has its own modules, and the strongest head counts. Each
    unit then adds the mean of its level's vectors in the session.

    Args:
        dim: size of the vectors.
        order: number of levels.
        heads: heads of the attention.
        dropout: inside the attention.
    """

    def __init__(self, dim: int, order: int, heads: int, dropout: float) -> None:
        super().__init__()
        # a lone level has no relation between levels
        count = order + (order > 1)
        self.forwards = nn.ModuleList(EdgeAttention(dim, heads, dropout) for _ in range(count))
        self.backwards = nn.ModuleList(EdgeAttention(dim, heads, dropout) for _ in range(count))

    def forward(
        self, vectors: list[Tensor], levels: list[UnitLevel], sessions: int
    ) -> list[Tensor]:
        """Shapes: ``[N_k, D]`` for each level -> ``[N_k, D]`` of length 1 for each level."""
        relations: list[list[Relation]] = [[] for _ in levels]
        self._connect(self.forwards, vectors, levels, relations)
        self._connect(self.backwards, vectors, [_turned(level) for level in levels], relations)
        results = []
        for targets, level, incoming in zip(vectors, levels, relations, strict=True):
            strongest = receive(targets, incoming)
            mean = segment_mean(targets, level.session, sessions)
            results.append(F.normalize(strongest.float() + take(mean, level.session), dim=1))
        return results

    def _connect(
        self,
        attention: nn.ModuleList,
        vectors: list[Tensor],
        levels: list[UnitLevel],
        relations: list[list[Relation]],
    ) -> None:
        """Add to each level's relations those of one direction."""
        kinds = cast("list[EdgeAttention]", list(attention))
        items, between = vectors[0], kinds[-1]
        for place, (units, level) in enumerate(zip(vectors, levels, strict=True)):
            relations[place].append(Relation(kinds[place], units, level.following))
            if place > 0:
                relations[place].append(Relation(between, items, level.from_item))
                relations[0].append(Relation(between, units, level.to_item))


def _turned(level: UnitLevel) -> UnitLevel:
    """The level with every edge turned round: one from an item becomes one to it."""
    return replace(
        level,
        following=level.following[::-1],
        from_item=level.to_item[::-1],
        to_item=level.from_item[::-1],
    )


class UnitReadout(nn.Module):
    r"""Session vector of one level: its last unit, and attention over the units of all levels.

    .. math::
        \alpha_i = \mathrm{softmax}_i\; q^\top \sigma(U h_i + b + V h_{last}) \qquad
        S = F [h_{last} ; \sum_i \alpha_i h_i]

    Args:
        dim: size of the vectors.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.unit = nn.Linear(dim, dim)
        self.last = nn.Linear(dim, dim, bias=False)
        self.query = nn.Linear(dim, 1, bias=False)
        self.merge = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, units: Tensor, session: Tensor, last: Tensor) -> Tensor:
        """Shapes: units ``[N, D]``, session ``[N]``, last ``[B, D]`` -> ``[B, D]``, length 1."""
        hidden = self.unit(units) + take(self.last(last), session)
        scores = self.query(torch.sigmoid(hidden)).squeeze(1)
        weights = segment_softmax(scores, session, len(last))
        summary = segment_sum(weights.unsqueeze(1) * units, session, len(last))
        merged = self.merge(torch.cat([last, summary.to(last.dtype)], dim=1))
        return F.normalize(merged.float(), dim=1)
