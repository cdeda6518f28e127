"""MGS: session graph and a mirror graph of items that share a category."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.layers.category_draws import CategoryDraws
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.layers.highway import Highway
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.mirror import (
    AttributeAggregator,
    MirrorLayer,
    MirrorReadout,
    mirror_contrast,
)
from recbole_a2d.layers.segments import take
from recbole_a2d.layers.session_graph import build_session_graph, reverse_clicks
from recbole_a2d.models.full_ranking import FullRanking, whole_number
from recbole_a2d.registry import require_categories

_EVALUATION_SEED = 2022


class MGS(FullRanking):
    """An attribute-driven mirror graph network (Lai et al., SIGIR 2022), category alone.

    While training, an item's fellows are drawn anew for every batch; in evaluation they are
    drawn once and for all from a fixed seed, so that scores can be repeated.
    """

    uses_categories = True

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        require_categories("MGS", dataset)
        dim = whole_number(config, "embedding_size", 1)
        self.contrast_weight: float = config["contrast_weight"]
        self.contrast_temperature = config["contrast_temperature"]
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.attribute = AttributeAggregator(dim)
        layers = whole_number(config, "layers", 1)
        self.mirror_layers = nn.ModuleList(MirrorLayer(dim) for _ in range(layers))
        self.highway = Highway(dim)
        self.readout = MirrorReadout(dim, self.max_seq_length, config["last_click_weight"])
        self.dropout = FastDropout(config["dropout"])
        categories = torch.from_numpy(dataset.category_of_item).long()
        self.draws = CategoryDraws(categories, whole_number(config, "fellows", 1))
        self.init_uniform(dim)
        self._fix_evaluation_draws()

    def _fix_evaluation_draws(self) -> None:
        generator = torch.Generator().manual_seed(_EVALUATION_SEED)
        for name in ("evaluation_list_1", "evaluation_list_2"):
            self.register_buffer(name, self.draws.shuffled(generator), persistent=False)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Session vectors; ``[B, T], [B] -> [B, D]``."""
        return self.encode(item_seq)[0]

    def encode(self, item_seq: Tensor) -> tuple[Tensor, Tensor]:
        """Session vectors ``[B, D]`` and the contrast between the two draws, scalar."""
        graph = build_session_graph(reverse_clicks(item_seq))
        mask, edge_types = graph.node_mask, graph.edge_types()
        initial = self.item_embedding(graph.nodes)
        first, second, mirror = self._mirrors(graph.nodes)
        counted = mask & self.draws.has_fellows(graph.nodes)
        contrast = mirror_contrast(first, second, counted, self.contrast_temperature)
        nodes = initial
        for layer in self.mirror_layers:
            nodes, mirror = layer(nodes, mirror, edge_types, mask)
        nodes = self.highway(initial, nodes)
        return self.dropout(self.readout(nodes, mirror, mask)), contrast

    def loss(self, interaction: Interaction) -> Tensor:
        """Cross-entropy plus the weighted contrast, scalar."""
        vectors, contrast = self.encode(interaction[self.ITEM_SEQ])
        loss = full_softmax_loss(vectors, self.candidates(), interaction[self.POS_ITEM_ID])
        return loss + self.contrast_weight * contrast

    def _mirrors(self, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mirror vectors of the nodes from two draws and from both together, ``[B, S, D]``."""
        # the fellows of an item are drawn once a batch, however many sessions hold it
        items, place = torch.unique(nodes, return_inverse=True)
        if self.training:
            lists = [self.draws.shuffled(), self.draws.shuffled()]
        else:
            lists = [self.evaluation_list_1, self.evaluation_list_2]
        draws = [self.draws(shuffled, items) for shuffled in lists]
        (first, second), union = self.attribute(self.item_embedding.weight, items, draws)
        return take(first, place), take(second, place), take(union, place)
