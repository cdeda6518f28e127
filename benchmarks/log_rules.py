"""How the made-up logs of each kind are read and split, for the converters that are compared."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86_400
MOST_CLICKS = 1_000_000


@dataclass(frozen=True)
class LogRules:
    """How the log of a kind is read and split.

    Attributes:
        columns: of the file; all are read as text, since ``07`` and ``7`` are two items.
        header: whether the file names them.
        longest: most clicks of a session.
        cut_is_training: whether sessions dated exactly at the cut are trained on; else they go.
        no_category: category names that say nothing.
        options: of ``convert``.
    """

    columns: tuple[str, ...]
    header: bool
    longest: int
    cut_is_training: bool
    no_category: tuple[str, ...]
    options: tuple[str, ...] = ()


LOG_RULES = {
    "yoochoose": LogRules(
        ("session", "text", "item", "category"),
        header=False,
        longest=MOST_CLICKS,
        cut_is_training=False,
        no_category=("", "0", "S"),
        options=("--fraction", "1"),
    ),
    "tmall": LogRules(
        ("user", "item", "category", "seller", "brand", "text", "action"),
        header=True,
        longest=40,
        cut_is_training=True,
        no_category=("",),
    ),
}
