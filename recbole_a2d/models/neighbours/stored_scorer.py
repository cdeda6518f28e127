"""A scorer whose training sessions are part of a model's saved state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.base import Scorer
from recbole_a2d.models.neighbours.prefixes import KnownClicks

AnyScorer = TypeVar("AnyScorer", bound=Scorer)

SAVED = ("train_items", "train_offsets")


class StoredScorer(nn.Module, Generic[AnyScorer]):
    """Holds the training sessions as two integer buffers and counts them when first asked.

    A checkpoint of the two tensors restores everything, into an instance that was built with
    other sessions too: their sizes may differ, and the counts are made anew.

    Args:
        scorer: fitted here.
        train: training sessions.
        n_items: number of item ids, pad included; not saved.
    """

    train_items: Tensor
    train_offsets: Tensor

    def __init__(self, scorer: AnyScorer, train: Sessions, n_items: int) -> None:
        super().__init__()
        self.n_items = n_items
        self.register_buffer("train_items", torch.tensor(train.items))
        self.register_buffer("train_offsets", torch.tensor(train.offsets))
        self._scorer = scorer
        self._fit()

    @property
    def scorer(self) -> AnyScorer:
        """The scorer, fitted to the sessions held now."""
        if not self._fitted:
            self._fit()
        return self._scorer

    def known_clicks(self, prefixes: Tensor, lengths: Tensor) -> KnownClicks:
        """The clicks of a batch that the training sessions know; ``[B, T]``, ``[B]``."""
        padded = (prefixes.cpu().numpy(), lengths.cpu().numpy())
        return KnownClicks.of_padded(*padded, self.scorer.known)

    def require_rows_of_train(self, rows: PrefixRows) -> None:
        """Raise ValueError unless the rows were cut from the training sessions held here."""
        items, offsets = self._arrays()
        same = np.array_equal(rows.sessions.offsets, offsets)
        if not same or not np.array_equal(rows.sessions.items, items):
            raise ValueError("rows must be those of the training sessions that are counted")

    def _arrays(self) -> list[IntArray]:
        return [getattr(self, name).cpu().numpy() for name in SAVED]

    def _fit(self) -> None:
        self._scorer.fit(Sessions(*self._arrays()), self.n_items)
        self._fitted = True

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in SAVED:
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._fitted = False
