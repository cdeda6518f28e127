"""RecBole's own sequential models with what this project's protocol needs put right.

For all of them: the pad is no class of the softmax, no candidate, and its vector is zero,
so it adds nothing to a sum over positions (stock STAMP sums a trained pad vector into its
memory). SRGNN and GCSAN get their session graphs without a Python loop. Names, parameters
and formulas are otherwise RecBole's; weights can be carried over in both directions.
"""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.model import sequential_recommender as stock
from torch import Tensor

from recbole_a2d.layers.fast_dropout import replace_dropout
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.session_graph import build_session_graph, trim
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.models.full_ranking import FullRanking, one_of


class _Fixed(FullRanking):
    """Base of the repaired models: to be named before the stock class among the bases."""

    def __init__(self, config: Any, dataset: Any) -> None:
        one_of(config, "loss_type", ("CE",))
        super().__init__(config, dataset)
        self.item_embedding = ItemEmbedding.of(self.item_embedding)
        self.zero_pad_row()
        replace_dropout(self)


class GRU4Rec(_Fixed, stock.GRU4Rec):
    """Improved recurrent networks (Tan et al., DLRS 2016), RecBole's version."""


class STAMP(_Fixed, stock.STAMP):
    """Short-term attention and memory priority (Liu et al., KDD 2018), RecBole's version."""


class NARM(_Fixed, stock.NARM):
    """Neural attentive recommendation machine (Li et al., CIKM 2017), RecBole's version."""


class SASRec(_Fixed, stock.SASRec):
    """Self-attentive sequential recommendation (Kang and McAuley, ICDM 2018), RecBole's version."""


class SRGNN(_Fixed, stock.SRGNN):
    """Session graphs with a gated graph network (Wu et al., AAAI 2019), RecBole's version."""

    def _get_slice(self, item_seq: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        graph = build_session_graph(item_seq)
        adjacency = torch.cat(graph.mean_adjacency(), dim=2)
        return graph.alias, adjacency, graph.nodes, graph.click_mask


class GCSAN(_Fixed, stock.GCSAN):
    """Graph contextualised self-attention (Xu et al., IJCAI 2019), RecBole's version."""

    def _get_slice(self, item_seq: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        graph = build_session_graph(item_seq)
        return graph.alias, torch.cat(graph.mean_adjacency(), dim=2), graph.nodes

    def get_attention_mask(self, item_seq: Tensor, bidirectional: bool = False) -> Tensor:
        """RecBole's mask, as wide as the trimmed graph: ``[B, T] -> [B, 1, T', T']``."""
        mask: Tensor = super().get_attention_mask(trim(item_seq), bidirectional)
        return mask

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Cross-entropy plus the norm of the item table, the pad's row left out; scalar."""
        penalty: Tensor = self.reg_loss(self.item_embedding.weight[1:]).squeeze()
        loss: Tensor = super().calculate_loss(interaction) + self.reg_weight * penalty
        return loss


class CORE(_Fixed, stock.CORE):
    """Consistent representation space (Hou et al., SIGIR 2022), RecBole's version."""

    def forward(self, item_seq: Tensor, item_seq_len: Tensor | None = None) -> Tensor:
        """Unit session vectors divided by the temperature; ``[B, T] -> [B, D]``."""
        vectors: Tensor = super().forward(item_seq) / self.temperature
        return vectors

    def candidates(self) -> Tensor:
        """Unit item vectors, with dropout while training, ``[n_items, D]``."""
        return unit_rows(self.item_dropout(self.item_embedding.candidates))
