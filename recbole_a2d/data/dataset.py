"""The data of one phase of an experiment: what is trained on, what is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions

StringArray = NDArray[np.object_]


@dataclass
class SessionDataset:
    """Training and held-out sessions over one set of item ids.

    Ids run from 1 in order of first appearance in the TRAINING clicks; 0 is the pad and, in
    held-out sessions, an item that training never saw. So candidates, graphs, counts and the
    session bank cannot know of anything held out.

    Attributes:
        name: of the data set.
        train, evaluation: training and held-out sessions.
        item_tokens: raw item ids, ``[n_items]``, ``item_tokens[0]`` the pad.
        category_of_item: ``[n_items]``, 0 where the item has no category.
        category_tokens: raw category ids, ``[n_categories]``, entry 0 for "none".
        max_length: prefixes are cut to this many last clicks.
    """

    name: str
    train: Sessions
    evaluation: Sessions
    item_tokens: StringArray
    category_of_item: IntArray
    category_tokens: StringArray
    max_length: int = 50

    @classmethod
    def from_codes(
        cls,
        name: str,
        train: Sessions,
        evaluation: Sessions,
        item_tokens: StringArray,
        category_of_code: IntArray,
        category_tokens: StringArray,
        max_length: int = 50,
    ) -> SessionDataset:
        """Renumber items and categories by their first appearance in the training clicks.

        Args:
            train, evaluation: sessions of codes into ``item_tokens``.
            category_of_code: category code of each item code, -1 for none.
        """
        codes = _by_first_appearance(train.items)
        item_of_code = np.zeros(len(item_tokens), np.int64)
        item_of_code[codes] = np.arange(1, len(codes) + 1)
        categories = _by_first_appearance(category_of_code[codes])
        categories = categories[categories >= 0]
        category_id = np.zeros(len(category_tokens) + 1, np.int64)
        category_id[categories] = np.arange(1, len(categories) + 1)
        return cls(
            name=name,
            train=Sessions(item_of_code[train.items], train.offsets),
            evaluation=Sessions(item_of_code[evaluation.items], evaluation.offsets),
            item_tokens=np.concatenate([["[PAD]"], item_tokens[codes]]).astype(object),
            category_of_item=np.concatenate([[0], category_id[category_of_code[codes]]]),
            category_tokens=np.concatenate([["[PAD]"], category_tokens[categories]]).astype(object),
            max_length=max_length,
        )

    @property
    def n_items(self) -> int:
        """Number of item ids, the pad included."""
        return len(self.item_tokens)

    @property
    def n_categories(self) -> int:
        """Number of category ids, 0 ("none") included."""
        return len(self.category_tokens)

    @property
    def item_num(self) -> int:
        """RecBole's name for :attr:`n_items`."""
        return self.n_items

    @property
    def field2seqlen(self) -> dict[str, int]:
        """RecBole's way to ask for :attr:`max_length`."""
        return {"item_id_list": self.max_length}

    def num(self, field: str) -> int:
        """Number of ids of a field, as RecBole's data sets say it."""
        sizes = {
            "item_id": self.n_items,
            "category": self.n_categories,
            "session_id": max(len(self.train), len(self.evaluation)),
        }
        return sizes[field]

    @cached_property
    def train_rows(self) -> PrefixRows:
        """Prefix rows to train on."""
        return PrefixRows.of(self.train, self.max_length)

    @cached_property
    def evaluation_rows(self) -> PrefixRows:
        """Prefix rows to rank."""
        return PrefixRows.of(self.evaluation, self.max_length)


def _by_first_appearance(values: IntArray) -> IntArray:
    distinct, first = np.unique(values, return_index=True)
    return distinct[np.argsort(first, kind="stable")]
