"""MSGIFSR: sessions as graphs of units of one, two, ... consecutive clicks."""

from __future__ import annotations

import functools
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.layers.consecutive_units import UnitLevel, consecutive_units
from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.layers.intent_units import UnitEncoder, UnitGraphLayer, UnitReadout
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.repeat_mixture import all_log_probabilities, target_log_probability
from recbole_a2d.layers.segments import take
from recbole_a2d.layers.session_graph import build_session_graph
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.models.full_ranking import FullRanking, whole_number
from recbole_a2d.scoring import Scorer


class MSGIFSR(FullRanking):
    """Multi-granularity consecutive user intent units (Guo et al., WSDM 2022).

    One session vector for each granularity k = 1 to ``order``. With ``renormalise`` each
    gives one softmax over the session's own items and one over all others, weighed by a
    learned split; with ``fuse`` the granularities' probabilities are mixed by learned
    weights, without it the first alone is used.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        dim, order = whole_number(config, "embedding_size", 1), whole_number(config, "order", 1)
        heads, layers = whole_number(config, "heads", 1), whole_number(config, "layers", 1)
        self.order = order
        self.scale: float = config["score_scale"]
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.encoder = UnitEncoder(dim, order, config["dropout"])
        self.graph_layers = nn.ModuleList(
            UnitGraphLayer(dim, order, heads, config["dropout"]) for _ in range(layers)
        )
        self.scored = order if config["fuse"] else 1
        self.readouts = nn.ModuleList(UnitReadout(dim) for _ in range(self.scored))
        self.split = None
        if config["renormalise"]:
            self.split = nn.Sequential(
                nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 2, bias=False), nn.LogSoftmax(-1)
            )
        self.mixture = nn.Parameter(torch.empty(self.scored)) if self.scored > 1 else None
        self.init_uniform(dim)
        self._start_with_items()

    def _start_with_items(self) -> None:
        """At first the granularity of single items counts most."""
        if self.mixture is not None:
            with torch.no_grad():
                self.mixture.zero_()[0] = 1.0

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Unit session vectors of the scored granularities; ``[B, T], [B] -> [B, K, D]``."""
        levels = consecutive_units(item_seq, self.order)
        vectors = self.encoder(self.item_embedding, levels)
        for layer in self.graph_layers:
            vectors = layer(vectors, levels, len(item_seq))
        return torch.stack(self._read(vectors, levels), dim=1)

    def _read(self, vectors: list[Tensor], levels: list[UnitLevel]) -> list[Tensor]:
        units = torch.cat(vectors)
        session = torch.cat([level.session for level in levels])
        return [
            readout(units, session, take(vectors[place], levels[place].last))
            for place, readout in enumerate(self.readouts)
        ]

    def candidates(self) -> Tensor:
        """Unit item vectors, ``[n_items, D]``."""
        return unit_rows(self.item_embedding.candidates)

    def loss(self, interaction: Interaction) -> Tensor:
        """Mean negative log-probability of the targets, scalar."""
        vectors, table = self.session_vectors(interaction), self.candidates()
        targets = interaction[self.POS_ITEM_ID]
        if self.scored == 1 and self.split is None:
            return full_softmax_loss(self.scale * vectors[:, 0], table, targets)
        nodes = build_session_graph(interaction[self.ITEM_SEQ]).nodes
        of_level = self._log_probability(vectors, table, nodes, targets)
        return -(of_level + self._log_mixture()).logsumexp(1).mean()

    def _log_probability(
        self, vectors: Tensor, table: Tensor, nodes: Tensor, targets: Tensor
    ) -> Tensor:
        """What each granularity gives the targets; vectors ``[B, K, D]`` -> ``[B, K]``."""
        flat, count = vectors.flatten(0, 1), vectors.shape[1]
        log_probability = target_log_probability(
            self.scale * flat,
            table,
            nodes.repeat_interleave(count, dim=0),
            targets.repeat_interleave(count),
            self._split(flat),
        )
        return log_probability.view(-1, count)

    def scorer(self, interaction: Interaction) -> Scorer:
        """What gives log-probabilities of all items for some rows; column 0 means nothing."""
        vectors, table = self.session_vectors(interaction), self.candidates()
        nodes = build_session_graph(interaction[self.ITEM_SEQ]).nodes
        return lambda rows: self._log_probabilities(vectors[rows], table, nodes[rows])

    def _log_probabilities(self, vectors: Tensor, table: Tensor, nodes: Tensor) -> Tensor:
        parts = (
            weight + all_log_probabilities(self.scale * vector, table, nodes, self._split(vector))
            for vector, weight in zip(vectors.unbind(1), self._log_mixture(), strict=True)
        )
        mixed: Tensor = functools.reduce(torch.logaddexp, parts)
        return mixed

    def _split(self, vector: Tensor) -> Tensor | None:
        if self.split is None:
            return None
        log_split: Tensor = self.split(vector)
        return log_split.float()

    def _log_mixture(self) -> Tensor:
        if self.mixture is None:
            return torch.zeros(1, device=self.item_embedding.weight.device)
        return self.mixture.log_softmax(0)
