"""CLHHN: one hypergraph of a session's items and categories."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.hypergraph import HypergraphAttention, window_incidence
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.masking import last_click
from recbole_a2d.layers.session_graph import build_session_graph, reverse_clicks
from recbole_a2d.layers.session_readout import PositionReadout
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.models.full_ranking import FullRanking, whole_number
from recbole_a2d.registry import require_categories


class CLHHN(FullRanking):
    """Category-aware lossless heterogeneous hypergraph network (Ma et al., TWEB 2023).

    Clicks and candidates are both [item ; category], compared by a scaled cosine. Items
    without a category share one vector for "none".
    """

    uses_categories = True

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        require_categories("CLHHN", dataset)
        dim = whole_number(config, "embedding_size", 1)
        self.window = whole_number(config, "window", 1)
        self.max_clicks = whole_number(config, "max_clicks", 0) or self.max_seq_length
        self.scale: float = config["score_scale"]
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.category_embedding = nn.Embedding(dataset.n_categories, dim)
        self.dropout = FastDropout(config["dropout"])
        rounds = whole_number(config, "rounds", 1)
        self.hypergraph = HypergraphAttention(dim, rounds, config["dropout_incidence"])
        self.readout = PositionReadout(2 * dim, dim, self.max_clicks)
        categories = torch.from_numpy(dataset.category_of_item).long()
        self.register_buffer("category_of_item", categories, persistent=False)
        self.init_uniform(dim)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Session vectors of length ``score_scale``; ``[B, T], [B] -> [B, 2 D]``."""
        # only the last clicks are kept, and kept in order
        recent = reverse_clicks(reverse_clicks(item_seq)[:, : self.max_clicks])
        items = build_session_graph(recent)
        # 0 is "no category" here and the pad there
        categories = build_session_graph((self.category_of_item[recent] + 1) * (recent > 0))
        nodes = torch.cat(
            [
                self.item_embedding(items.nodes),
                self.category_embedding((categories.nodes - 1).clamp_min(0)),
            ],
            dim=1,
        )
        nodes = self.dropout(F.normalize(nodes, dim=2))
        nodes = self.hypergraph(nodes, window_incidence(items, categories, self.window))
        split = [items.nodes.shape[1], categories.nodes.shape[1]]
        item_nodes, category_nodes = nodes.split(split, dim=1)
        clicks = [items.at_clicks(item_nodes), categories.at_clicks(category_nodes)]
        return self._read(F.normalize(torch.cat(clicks, dim=2).float(), dim=2), items.click_mask)

    def candidates(self) -> Tensor:
        """Unit vectors [item ; category], ``[n_items, 2 D]``."""
        categories = self.category_embedding(self.category_of_item)
        return unit_rows(torch.cat([self.item_embedding.candidates, categories], dim=1))

    def _read(self, clicks: Tensor, mask: Tensor) -> Tensor:
        session = self.readout(clicks, mask, last_click(clicks, mask.sum(1)))
        return F.normalize(session.float(), dim=1) * self.scale
