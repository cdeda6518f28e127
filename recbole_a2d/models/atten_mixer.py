"""Atten-Mixer: attention from the last clicks at several levels, no graph."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.level_pooling import LevelAttention, LevelQueries
from recbole_a2d.layers.masking import last_click
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.models.full_ranking import FullRanking, one_of, whole_number
from recbole_a2d.models.heads import most_heads


class AttenMixer(FullRanking):
    """Multi-level user intent via attention mixture (Zhang et al., WSDM 2023).

    Queries made of the last one, two, ... clicks attend to the session; their weights are
    pooled, and the weighted sum is joined with the last click. Scores are cosines.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        dim = whole_number(config, "embedding_size", 1)
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.dropout = FastDropout(config["dropout"])
        self.score_scale = config["score_scale"]
        self.queries = LevelQueries(dim, whole_number(config, "levels", 1))
        layout = one_of(config, "head_layout", ("separate", "interleaved"))
        self.attention = LevelAttention(
            dim,
            most_heads(whole_number(config, "num_heads", 1), dim),
            config["pool_power"],
            config["dropout"],
            # One place beyond the most clicks read: the authors' rows end in at least one pad.
            padded_length=dataset.max_length + 1 if layout == "interleaved" else None,
        )
        self.transform = nn.Linear(2 * dim, dim)
        # The layer norm's gain and bias too, as in the authors' code: it brings the attended
        # sum down to the size of the unit vector of the last click beside it.
        self.init_uniform(dim)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Session vectors before normalising; ``[B, T], [B] -> [B, D]``."""
        clicks = self.dropout(F.normalize(self.item_embedding(item_seq).float(), dim=-1))
        clicks = F.normalize(clicks, dim=-1)
        queries = self.queries(clicks, item_seq_len)
        attended = self.attention(queries, clicks, item_seq_len)
        joined = torch.cat([attended, last_click(clicks, item_seq_len)], dim=1)
        vectors: Tensor = self.transform(joined)
        return vectors

    def session_vectors(self, interaction: Interaction) -> Tensor:
        """Unit session vectors times ``score_scale``, ``[B, D]``."""
        vectors = super().session_vectors(interaction).float()
        scaled: Tensor = self.score_scale * F.normalize(vectors, dim=1)
        return scaled

    def candidates(self) -> Tensor:
        """Unit item vectors, some features dropped while training, ``[n_items, D]``."""
        table: Tensor = self.dropout(unit_rows(self.item_embedding.candidates))
        return table
