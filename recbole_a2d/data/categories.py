"""Which category an item belongs to, out of rows that name one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recbole_a2d.data.raw_table import CodeArray, Names, RawTable
from recbole_a2d.data.sessions import IntArray
from recbole_a2d.data.tables import Clicks, StringArray


def most_frequent(
    items: CodeArray, categories: Names, ignored: frozenset[str] = frozenset({""})
) -> tuple[IntArray, IntArray]:
    """The category that most rows of an item name; of equally many, the one named first.

    Args:
        items: item code of each row, shape ``[rows]``.
        categories: category of each row.
        ignored: category names that say nothing.

    Returns:
        Item codes, and the code of each one's category.
    """
    says = np.array([name not in ignored for name in categories.texts.tolist()], dtype=bool)
    rows = says[categories.codes] if len(says) else np.zeros(len(items), dtype=bool)
    width = max(len(says), 1)
    numbers, pairs = pd.factorize(items[rows].astype(np.int64) * width + categories.codes[rows])
    counts = np.bincount(numbers, minlength=len(pairs))
    item_of_pair = pairs // width
    # Pairs come in order of first appearance, which a stable sort keeps where counts are equal.
    order = np.lexsort((-counts, item_of_pair))
    best = order[np.flatnonzero(np.diff(item_of_pair[order], prepend=-1))]
    return item_of_pair[best], pairs[best] % width


def training_categories(
    table: RawTable, training: Clicks, ignored: frozenset[str] = frozenset({""})
) -> dict[str, str]:
    """The most frequent category of each item's rows in the training sessions, by name.

    Args:
        table: with the name columns ``session``, ``item`` and ``category``.
        training: its training sessions, still bearing their codes.
        ignored: category names that say nothing.
    """
    sessions, items, categories = (table.names[c] for c in ("session", "item", "category"))
    of_training = np.zeros(len(sessions.names), dtype=bool)
    of_training[training.session_tokens.astype(np.int64)] = True
    rows = of_training[sessions.codes]
    found = most_frequent(items.codes[rows], categories.where(rows), ignored)
    return as_names(*found, items.texts, categories.texts)


def as_names(
    items: CodeArray, categories: CodeArray, item_names: StringArray, category_names: StringArray
) -> dict[str, str]:
    """Item name to category name, from codes."""
    return dict(zip(item_names[items].tolist(), category_names[categories].tolist(), strict=True))
