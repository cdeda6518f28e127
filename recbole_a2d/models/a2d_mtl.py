"""A2D-MTL: attribute association driven multi-task learning for session-based recommendation.

Wang et al., the paper this project implements; equation numbers refer to it. Where the
paper leaves a choice open, a config key makes it: ``properties/model/A2DMTL.yaml`` lists
them, ``docs/differences.md`` gives the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor, nn

from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.graphs import (
    category_sessions,
    count_transitions,
    own_transition_counts,
    strongest_neighbors,
)
from recbole_a2d.layers.category_encoder import CategoryGraphEncoder, CategorySequenceEncoder
from recbole_a2d.layers.full_softmax import all_scores, full_softmax_loss
from recbole_a2d.layers.item_encoder import ItemGraphEncoder
from recbole_a2d.layers.masking import last_click, masked_mean, position_from_end, prefix_mask
from recbole_a2d.layers.session_bank import mix_neighbors, nearest_sessions, session_means
from recbole_a2d.layers.sparse_attention import ContextAttention, SessionFeatures, SparseReadout


@dataclass
class Encoded:
    """What the model makes of a batch of prefixes.

    Attributes:
        session: session vectors of Eq. 20, ``[B, D]``.
        category_state: Eq. 7's state at the last click, ``[B, D]``; None without categories.
        categories: fused category vectors of Eq. 5, ``[M + 1, D]``; None without categories.
        click_weights: entmax weights of Eq. 14, ``[B, T]``; None without sparse attention.
    """

    session: Tensor
    category_state: Tensor | None
    categories: Tensor | None
    click_weights: Tensor | None


class A2DMTL(SequentialRecommender):
    """The model, with a switch for every open reading.

    Config keys: see ``properties/model/A2DMTL.yaml``; variants: ``properties/variant/``.
    """

    uses_categories = True

    def __init__(self, config: Any, dataset: SessionDataset) -> None:
        super().__init__(config, dataset)
        self.switches = config
        self.dim = int(config["embedding_size"])
        self.item_embedding = nn.Embedding(dataset.n_items, self.dim, padding_idx=0)
        self.has_categories = config["categories"] != "none"
        self.register_buffer("category_of_item", torch.from_numpy(dataset.category_of_item))
        self._build_category_part(config, dataset)
        self._build_item_part(config, dataset)
        self._build_bank(config, dataset)
        self.dropout = nn.Dropout(config["embedding_dropout"])
        self.reset_parameters()

    def _build_category_part(self, config: Any, dataset: SessionDataset) -> None:
        self.category_embedding = self.category_graph = self.category_sequence = None
        self.merge = None
        if not self.has_categories:
            return
        self.category_embedding = nn.Embedding(dataset.n_categories, self.dim, padding_idx=0)
        if config["categories"] == "merged":
            self.merge = nn.Linear(2 * self.dim, self.dim)
            return
        self.category_graph = CategoryGraphEncoder(
            self.dim, config["category_layers"], config["gate"]
        )
        self.category_sequence = CategorySequenceEncoder(self.dim, dataset.max_length)
        edges = count_transitions(
            category_sessions(dataset.train, dataset.category_of_item),
            dataset.n_categories,
            direction=config["graph_direction"],
            keep_self=config["keep_self_transitions"],
        )
        totals = torch.zeros(dataset.n_categories).index_add_(
            0, torch.from_numpy(edges.source), torch.from_numpy(edges.count).float()
        )
        source = torch.from_numpy(edges.source)
        self.register_buffer("category_source", source)
        self.register_buffer("category_target", torch.from_numpy(edges.target))
        self.register_buffer(
            "category_weight", torch.from_numpy(edges.count).float() / totals[source]
        )

    def _build_item_part(self, config: Any, dataset: SessionDataset) -> None:
        self.item_graph = None
        if config["item_graph"]:
            edges = count_transitions(
                dataset.train,
                dataset.n_items,
                direction=config["graph_direction"],
                keep_self=config["keep_self_transitions"],
            )
            graph = strongest_neighbors(edges, config["item_neighbors"])
            self.item_graph = ItemGraphEncoder(self.dim, graph, residual=config["item_residual"])
            if config["graph_exclude_self"]:
                own = torch.from_numpy(own_transition_counts(dataset.train_rows))
                self.register_buffer("own_counts", own, persistent=False)
        self.position = None
        if config["item_position"]:
            self.position = nn.Embedding(dataset.max_length + 1, self.dim, padding_idx=0)
        self.intra_sparse = config["intra"] == "sparse"
        fused = self.category_graph is not None
        if self.intra_sparse:
            self.features = SessionFeatures(self.dim, categories=fused)
            self.context = ContextAttention(self.dim, config["dropout"])
            adaptive = config["sparsity"] == "adaptive"
            context_dim = self.dim * (2 if fused else 1)
            self.readout = SparseReadout(self.dim, context_dim if adaptive else None)
        self.with_last = None
        if config["readout"] == "with_last":
            self.with_last = nn.Linear(2 * self.dim, self.dim)

    def _build_bank(self, config: Any, dataset: SessionDataset) -> None:
        self.bank_mode = config["session_bank"]
        if self.bank_mode == "train":
            self.register_buffer("bank", torch.zeros(len(dataset.train), self.dim))
            self.register_buffer(
                "bank_items", torch.from_numpy(dataset.train.items), persistent=False
            )
            self.register_buffer(
                "bank_offsets", torch.from_numpy(dataset.train.offsets), persistent=False
            )

    def reset_parameters(self) -> None:
        """Uniform in +-1/sqrt(D), the lineage's habit; norms and pads as torch leaves them."""
        bound = self.dim**-0.5
        for name, parameter in self.named_parameters():
            if "norm" not in name:
                nn.init.uniform_(parameter, -bound, bound)
        for module in self.modules():
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])

    # ---------------------------------------------------------------- representations

    def item_table(self) -> Tensor:
        """Initial item vectors, ``[N + 1, D]``; with the category merged in for w/o EXP."""
        table = self.item_embedding.weight
        if self.merge is None or self.category_embedding is None:
            return table
        category = self.category_embedding(self.category_of_item)
        return self.merge(torch.cat([table, category], dim=1)).to(table.dtype)

    def encode(self, interaction: Interaction) -> Encoded:
        """Session vectors (Eq. 3-20) of a batch of prefixes."""
        prefixes, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        mask = prefix_mask(lengths, prefixes.shape[1])
        table = self.item_table()
        categories, category_state, category_mean = self._encode_categories(prefixes, lengths, mask)
        clicks = self.dropout(self._encode_clicks(interaction, table))
        intra, weights = self._encode_session(clicks, mask, lengths, category_mean, prefixes, table)
        session = intra + self._encode_neighbors(interaction, masked_mean(clicks, mask))
        return Encoded(session, category_state, categories, weights)

    def _encode_categories(
        self, prefixes: Tensor, lengths: Tensor, mask: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if self.category_graph is None or self.category_sequence is None:
            return None, None, None
        assert self.category_embedding is not None
        fused = self.category_graph(
            self.category_embedding.weight,
            self.category_source,
            self.category_target,
            self.category_weight,
        )
        of_click = F.embedding(self.category_of_item[prefixes], fused)
        state = self.category_sequence(self.dropout(of_click), lengths)
        return fused, state, masked_mean(of_click, mask)

    def _encode_clicks(self, interaction: Interaction, table: Tensor) -> Tensor:
        prefixes, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        if self.item_graph is None:
            return F.embedding(prefixes, table)
        if not (self.training and self.switches["graph_exclude_self"]):
            return self.item_graph(table, prefixes, lengths)
        own = self.own_counts[interaction["row_id"]]
        return self.item_graph(table, prefixes, lengths, interaction[self.POS_ITEM_ID], own)

    def _encode_session(
        self,
        clicks: Tensor,
        mask: Tensor,
        lengths: Tensor,
        category_mean: Tensor | None,
        prefixes: Tensor,
        table: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        last = last_click(clicks, lengths)
        if not self.intra_sparse:
            session, weights = masked_mean(clicks, mask), None
        else:
            placed = clicks
            if self.position is not None:
                placed = clicks + self.position(position_from_end(lengths, mask.shape[1]))
            features = self.features(placed, mask, lengths, category_mean)
            refined = self.context(features, mask)
            context = last if category_mean is None else torch.cat([last, category_mean], dim=1)
            values = clicks
            if self.switches["attention_values"] == "initial_item":
                values = F.embedding(prefixes, table)
            session, weights = self.readout(refined, values, mask, context)
        if self.with_last is not None:
            session = self.with_last(torch.cat([session, last], dim=1)).to(clicks.dtype)
        return session, weights

    def _encode_neighbors(self, interaction: Interaction, query: Tensor) -> Tensor | float:
        if self.bank_mode == "none":
            return 0.0
        own = interaction["session_id"] if self.training else None
        with torch.no_grad():
            normed = F.normalize(query.float(), dim=1)
            index = nearest_sessions(normed, self.bank_unit, self.switches["bank_neighbors"], own)
        return mix_neighbors(query, self.bank[index])

    @torch.no_grad()
    def on_epoch_start(self, epoch: int) -> None:
        """Refresh the session bank; the trainer calls it before each epoch and evaluation."""
        if self.bank_mode != "train":
            return
        vectors = self.item_vectors()
        self.bank.copy_(session_means(vectors, self.bank_items, self.bank_offsets))
        self.bank_unit = F.normalize(self.bank, dim=1).to(torch.bfloat16)

    @torch.no_grad()
    def item_vectors(self, chunk: int = 8192) -> Tensor:
        """All items through the item graph, ``[N + 1, D]``."""
        table = self.item_table()
        if self.item_graph is None:
            return table
        items = torch.arange(len(table), device=table.device)
        return torch.cat([self.item_graph.encode(table, part) for part in items.split(chunk)])

    # ---------------------------------------------------------------- scores and loss

    def scoring(self, session: Tensor) -> tuple[Tensor, Tensor]:
        """Session vectors and item table whose product is the score (Eq. 21)."""
        table = self.item_table()
        if self.switches["score"] == "dot":
            return session, table
        scale = self.switches["score_scale"]
        return scale * F.normalize(session.float(), dim=1), F.normalize(table, dim=1)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Item loss + lambda * category loss (Eq. 22-25)."""
        encoded = self.encode(interaction)
        targets = interaction[self.POS_ITEM_ID]
        loss = full_softmax_loss(*self.scoring(encoded.session), targets)
        if encoded.category_state is None or encoded.categories is None:
            return loss
        logits = encoded.category_state @ encoded.categories[1:].T
        classes = self.category_of_item[targets] - 1
        category_loss = F.cross_entropy(logits.float(), classes, ignore_index=-1)
        return loss + self.switches["category_weight"] * category_loss

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items, ``[B, N + 1]``."""
        return all_scores(*self.scoring(self.encode(interaction).session))
