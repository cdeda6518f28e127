"""The item table of a model that looks items up and scores all of them with the same vectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.item_vectors import ItemVectors

PAD = 0


class ItemEmbedding(nn.Embedding):
    """``nn.Embedding`` whose look-ups within a :meth:`loss` share their gradient with the scores.

    Autograd would carry the gradient of each look-up in a table of zeros as large as this one
    (:class:`ItemVectors`). Outside of a loss it is ``nn.Embedding``; names and numbers are the
    same anyhow. The pad's row, 0, gets no gradient from a look-up.
    """

    _vectors: ItemVectors | None = None

    @classmethod
    def of(cls, embedding: nn.Embedding) -> ItemEmbedding:
        """An item table with an embedding's weights."""
        made: ItemEmbedding = cls.from_pretrained(
            embedding.weight.detach(), freeze=False, padding_idx=PAD
        )
        return made

    @contextmanager
    def loss(self) -> Iterator[None]:
        """While a loss is made: :attr:`candidates` is asked for once, after all look-ups."""
        self._vectors = ItemVectors(self.weight, pad=PAD)
        try:
            yield
        finally:
            self._vectors = None

    @property
    def candidates(self) -> Tensor:
        """The table to score with, ``[n_items, D]``; in a loss, for one use."""
        return self.weight if self._vectors is None else self._vectors.table

    def forward(self, items: Tensor) -> Tensor:
        """Rows of some items, ``[...] -> [..., D]``."""
        if self._vectors is None:
            return F.embedding(items, self.weight, PAD)
        return self._vectors.rows(items)
