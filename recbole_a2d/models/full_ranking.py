"""What the models share that score every item by a dot product with a session vector."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_a2d.errors import WrongValue
from recbole_a2d.layers.full_softmax import all_scores, full_softmax_loss
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.scoring import Scorer


class ScoresAllItems(SequentialRecommender):
    """RecBole's ``predict`` for a model whose ``full_sort_predict`` gives ``[B, n_items]``."""

    def predict(self, interaction: Interaction) -> Tensor:
        """Score of the item named in each row, ``[B]``."""
        scores = self.full_sort_predict(interaction)
        return scores.gather(1, interaction[self.ITEM_ID].unsqueeze(1)).squeeze(1)


class FullRanking(ScoresAllItems):
    """Softmax loss and full ranking over items 1 to N; the pad is neither class nor candidate.

    A model gives ``forward(item_seq, item_seq_len) -> [B, D]``, the session vectors, and
    ``item_embedding``, an :class:`ItemEmbedding`; it overrides :meth:`candidates` where the
    item table is not what they are multiplied with in the end (cosines, categories).
    A prefix without any known click gets the zero vector, so every item scores alike, where a
    model does not score by several vectors of a session.
    """

    item_embedding: ItemEmbedding

    def session_vectors(self, interaction: Interaction) -> Tensor:
        """Vectors that the candidates are multiplied with, ``[B, D]`` or what forward gives."""
        item_seq, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        empty = (lengths == 0).unsqueeze(1)
        # any item will do as a stand-in: no model has to care for a prefix of no clicks
        stand_in = torch.cat([item_seq[:, :1].masked_fill(empty, 1), item_seq[:, 1:]], dim=1)
        vectors: Tensor = self.forward(stand_in, lengths.clamp_min(1))
        return vectors.masked_fill(empty.view(-1, *[1] * (vectors.dim() - 1)), 0.0)

    def candidates(self) -> Tensor:
        """Table of candidate vectors, ``[n_items, D]``; row 0 is the pad's."""
        return self.item_embedding.candidates

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Mean cross-entropy over all items, scalar, and what a model adds to it."""
        with self.item_embedding.loss():
            return self.loss(interaction)

    def loss(self, interaction: Interaction) -> Tensor:
        """What :meth:`calculate_loss` gives; every item is looked up before the candidates."""
        vectors = self.session_vectors(interaction)
        return full_softmax_loss(vectors, self.candidates(), interaction[self.POS_ITEM_ID])

    def scorer(self, interaction: Interaction) -> Scorer:
        """What scores all items for some of the batch's rows; column 0 means nothing."""
        vectors, candidates = self.session_vectors(interaction), self.candidates()
        return lambda rows: all_scores(vectors[rows], candidates)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items, ``[B, n_items]``; column 0 is the pad's and means nothing."""
        return self.scorer(interaction)(slice(None))

    def zero_pad_row(self) -> None:
        """Make the pad's vector zero; ``padding_idx`` and the loss keep it so."""
        with torch.no_grad():
            self.item_embedding.weight[0].zero_()

    def init_uniform(self, dim: int) -> None:
        """Draw every parameter from U(-1/sqrt(dim), 1/sqrt(dim)), as the SR-GNN lineage does."""
        bound = dim**-0.5
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound)
        self.zero_pad_row()


def one_of(config: Any, key: str, allowed: tuple[Any, ...]) -> Any:
    """Value of a config key that must be one of a few.

    Raises:
        WrongValue: where it is not.
    """
    if config[key] not in allowed:
        raise WrongValue.none_of(key, config[key], allowed)
    return config[key]


def whole_number(config: Any, key: str, low: int) -> int:
    """Value of a config key that must be a whole number of at least ``low``.

    Raises:
        WrongValue: where it is not.
    """
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise WrongValue(key, value, f"a whole number of at least {low}")
    return value
