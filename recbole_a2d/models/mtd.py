"""MTD: self-attention inside the session, graph infomax on the transitions of all sessions."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.data.graphs import count_transitions
from recbole_a2d.errors import UserError
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.graph_infomax import (
    GraphInfomax,
    NeighborLists,
    fitted_vectors,
    shuffled_nodes,
)
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.masking import position_from_end, prefix_mask
from recbole_a2d.layers.recency_readout import RecencyReadout
from recbole_a2d.layers.self_attention import FeedForward, SelfAttention, readable, run_blocks
from recbole_a2d.models.full_ranking import FullRanking, one_of, whole_number
from recbole_a2d.models.heads import dividing_heads

_NORM_EPS = 1e-8


class MTD(FullRanking):
    """Multi-task learning of multi-level transition dynamics (Huang et al., AAAI 2021).

    Causal self-attention over the clicks, read out as last, relevant and recent clicks; and
    a second task on the same item table: telling the training sessions' transition graph
    from one with shuffled items. ``graph_task`` says how the two meet, see
    ``properties/model/MTD.yaml``.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        dim = whole_number(config, "embedding_size", 1)
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.max_position = whole_number(config, "max_position", 1)
        self.position = nn.Embedding(self.max_position + 1, dim, padding_idx=0)
        self.dropout = FastDropout(config["dropout"])
        self.attentions, self.feed_forwards = _blocks(config, dim)
        self.readout = RecencyReadout(dim, config["recency"])
        self._build_graph_task(config, dataset, dim)
        self._reset_parameters(dim)

    def _build_graph_task(self, config: Any, dataset: Any, dim: int) -> None:
        self.graph_task = one_of(config, "graph_task", ("joint", "alternate", "none"))
        self.score_table = one_of(config, "score_table", ("item", "item_graph"))
        if self.score_table == "item_graph" and self.graph_task != "joint":
            raise UserError("score_table: item_graph needs graph_task: joint")
        self.infomax = None
        if self.graph_task == "none":
            return
        self.infomax = GraphInfomax(dim)
        self.graph_weight = config["graph_weight"]
        self.graph_nodes = whole_number(config, "graph_nodes", 0)
        self.graph_epochs = whole_number(config, "graph_epochs", 0)
        self.fit_options = {
            "steps": whole_number(config, "graph_steps", 1),
            "patience": whole_number(config, "graph_patience", 1),
            "learning_rate": config["graph_learning_rate"],
        }
        edges = count_transitions(dataset.train, self.n_items)
        graph = NeighborLists.from_edges(edges.source, edges.target, self.n_items)
        self.register_buffer("graph_offsets", graph.offsets, persistent=False)
        self.register_buffer("graph_neighbors", graph.neighbors, persistent=False)

    def _reset_parameters(self, dim: int) -> None:
        self.init_uniform(dim)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        with torch.no_grad():
            self.position.weight[0].zero_()

    @property
    def graph(self) -> NeighborLists:
        """Items that follow each other in a training session, either way round."""
        return NeighborLists(self.graph_offsets, self.graph_neighbors)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Session vectors; ``[B, T], [B] -> [B, D]``."""
        width = item_seq.shape[1]
        steps_back = position_from_end(item_seq_len, width)
        steps_back = steps_back.masked_fill(steps_back > self.max_position, 0)
        clicks = self.dropout(self.item_embedding(item_seq) + self.position(steps_back))
        allowed = readable(prefix_mask(item_seq_len, width), causal=True)
        clicks = run_blocks(self.attentions, self.feed_forwards, clicks, allowed)
        vectors: Tensor = self.dropout(self.readout(clicks, item_seq_len))
        return vectors

    def candidates(self) -> Tensor:
        """Item table ``[n_items, D]``, with the graph's vectors added if so asked."""
        if self.score_table == "item" or self.infomax is None:
            return super().candidates()
        table: Tensor = self.item_embedding.weight
        nodes = torch.arange(self.n_items, device=table.device)
        around: Tensor = self.infomax.encode(self.graph, table, nodes)
        return table + around

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Cross-entropy over all items, plus the weighted graph loss if trained jointly.

        In ``alternate`` mode :meth:`on_training_start` has fitted the graph task before.
        """
        loss = super().calculate_loss(interaction)
        if self.graph_task == "joint":
            loss = loss + self.graph_weight * self.graph_loss()
        return loss

    def graph_loss(self) -> Tensor:
        """Infomax loss of ``graph_nodes`` random items (all if 0), scalar."""
        if self.infomax is None:
            raise RuntimeError("graph_task is none: there is no graph loss")
        table = self.item_embedding.weight
        nodes = shuffled_nodes(self.n_items, table.device)[1:]
        nodes = nodes[: self.graph_nodes or None]
        shuffle = shuffled_nodes(self.n_items, table.device)
        loss: Tensor = self.infomax(self.graph, table, nodes, shuffle)
        return loss

    def on_training_start(self, epoch: int) -> None:
        """In ``alternate`` mode: fit the graph task, put its vectors in place of the items'.

        The trainer calls it before the first step of each epoch, from 0.
        """
        if self.infomax is None or self.graph_task != "alternate" or epoch >= self.graph_epochs:
            return
        table = self.item_embedding.weight
        vectors = fitted_vectors(self.infomax, self.graph, table, **self.fit_options)
        with torch.no_grad():
            table[1:] = vectors


def _blocks(config: Any, dim: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    dropout, count = config["dropout"], whole_number(config, "num_blocks", 0)
    heads = dividing_heads(config, "num_heads", dim)
    attentions = [
        SelfAttention(dim, heads, dropout, bias=False, output=False, eps=_NORM_EPS)
        for _ in range(count)
    ]
    feed_forwards = [
        FeedForward(dim, dim, dropout, activation="relu", drop_hidden=True, eps=_NORM_EPS)
        for _ in range(count)
    ]
    return nn.ModuleList(attentions), nn.ModuleList(feed_forwards)
