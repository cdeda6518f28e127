"""GCE-GNN: session graph and global co-occurrence graph together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_a2d.data.graphs import NeighborTable, TransitionCounts, strongest_neighbors
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.global_neighbors import GlobalNeighborEncoder
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.masking import masked_mean
from recbole_a2d.layers.session_graph import build_session_graph
from recbole_a2d.layers.session_readout import PositionReadout
from recbole_a2d.layers.typed_graph_attention import TypedGraphAttention
from recbole_a2d.models.full_ranking import FullRanking, whole_number


class GCEGNN(FullRanking):
    """Global context enhanced graph neural networks (Wang et al., SIGIR 2020).

    Item vectors are refined twice, by typed attention inside the session's graph and by
    session-aware attention over each item's strongest co-occurrences in the training
    sessions; the sum is read out with positions counted from the last click.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        dim = whole_number(config, "embedding_size", 1)
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.local_attention = TypedGraphAttention(dim)
        self.global_attention = GlobalNeighborEncoder(
            dim, whole_number(config, "hops", 1), config["dropout_gcn"]
        )
        self.local_dropout = FastDropout(config["dropout_local"])
        self.global_dropout = FastDropout(config["dropout_global"])
        self.readout = PositionReadout(dim, dim, self.max_seq_length)
        table = co_occurrence_neighbors(
            dataset.train,
            self.n_items,
            distance=whole_number(config, "window", 1),
            limit=whole_number(config, "neighbors", 1),
        )
        self.register_buffer("neighbors", torch.from_numpy(table.neighbors), persistent=False)
        self.register_buffer("counts", torch.from_numpy(table.counts).float(), persistent=False)
        self.init_uniform(dim)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Session vectors; ``[B, T], [B] -> [B, D]``."""
        graph = build_session_graph(item_seq)
        mask = graph.click_mask
        items = self.item_embedding(graph.nodes)
        local = self.local_attention(items, graph.edge_types())
        context = masked_mean(graph.at_clicks(items), mask)
        around = self.global_attention(
            self.item_embedding, context, graph.nodes, (self.neighbors, self.counts)
        )
        nodes = self.local_dropout(local) + self.global_dropout(around)
        clicks = graph.at_clicks(nodes)
        session: Tensor = self.readout(clicks, mask, masked_mean(clicks, mask))
        return session


def co_occurrence_neighbors(
    sessions: Sessions, n_items: int, *, distance: int, limit: int
) -> NeighborTable:
    """Items clicked most often within ``distance`` clicks before or after each item.

    Every pair of clicks at most ``distance`` apart in one session counts once in both
    directions; an item that comes back is its own neighbor (GCE-GNN, section 3.2.2).

    Args:
        sessions: training sessions.
        n_items: number of item ids, the pad included.
        distance: farthest step between two clicks of a pair.
        limit: neighbors kept for each item; ties go to the smaller id.
    """
    items, pairs = sessions.items, []
    for step in range(1, distance + 1):
        place = sessions.clicks_before(step)
        earlier, later = items[place], items[place + step]
        pairs += [earlier * n_items + later, later * n_items + earlier]
    keys, counts = np.unique(np.concatenate(pairs), return_counts=True)
    edges = TransitionCounts(keys // n_items, keys % n_items, counts.astype(np.int64), n_items)
    return strongest_neighbors(edges, limit)
