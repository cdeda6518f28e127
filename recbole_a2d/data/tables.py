"""The clicks of a data set, split by split, over one shared item numbering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.data.sessions import IntArray, Sessions

StringArray = NDArray[np.object_]  # of str: any length, nothing stripped
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CLICK_FIELDS = ("session_id:token", "item_id:token", "timestamp:float")
ITEM_FIELDS = ("item_id:token", "category:token")
PREFIX_FIELDS = ("session_id:token", "item_id_list:token_seq", "item_id:token")
SPLITS = ("train", "valid", "test")
NO_CATEGORY = -1


@dataclass(frozen=True)
class Clicks:
    """Sessions of one split with their names and times.

    Attributes:
        sessions: item codes, 0-based, session after session.
        session_tokens: name of every session, shape ``[sessions]``.
        timestamps: time of every click in the unit of the source, shape ``[clicks]``.
        dates: when each session happened, where that is not the time of its last click: the
            literature takes it from the log before any click is dropped; shape ``[sessions]``.
    """

    sessions: Sessions
    session_tokens: StringArray
    timestamps: FloatArray
    dates: FloatArray | None = None

    def __post_init__(self) -> None:
        if len(self.session_tokens) != len(self.sessions):
            raise ValueError("one token per session is needed")
        if len(self.timestamps) != len(self.sessions.items):
            raise ValueError("one time per click is needed")
        if self.dates is not None and len(self.dates) != len(self.sessions):
            raise ValueError("one date per session is needed")

    @property
    def session_dates(self) -> FloatArray:
        """``dates``, or else the time of each session's last click; shape ``[sessions]``."""
        if self.dates is not None:
            return self.dates
        return self.timestamps[self.sessions.offsets[1:] - 1]

    def slice(self, start: int, stop: int) -> Clicks:
        """Sessions ``start`` to ``stop`` (exclusive)."""
        first, last = self.sessions.offsets[start], self.sessions.offsets[stop]
        return Clicks(
            self.sessions.slice(start, stop),
            self.session_tokens[start:stop],
            self.timestamps[first:last],
            None if self.dates is None else self.dates[start:stop],
        )

    def recode(self, code_of_code: IntArray) -> Clicks:
        """The same clicks with every item code replaced by ``code_of_code[code]``."""
        renumbered = Sessions(code_of_code[self.sessions.items], self.sessions.offsets)
        return replace(self, sessions=renumbered)


@dataclass(frozen=True, kw_only=True)
class SessionTables:
    """Three splits over one item numbering.

    Item codes count from 0 in order of first appearance in train, then valid, then test, so the
    items of the training sessions (train and valid) are exactly the codes below
    ``n_training_items``.

    Attributes:
        splits: ``train``, ``valid`` and ``test``.
        item_tokens: name of every item code, shape ``[items]``.
        category_of_code: category code of every item code, ``NO_CATEGORY`` (-1) where there is
            none; items that occur in test alone never have one; shape ``[items]``.
        category_tokens: name of every category code, shape ``[categories]``.
    """

    splits: dict[str, Clicks]
    item_tokens: StringArray
    category_of_code: IntArray
    category_tokens: StringArray

    @property
    def train(self) -> Sessions:
        """Training sessions as item codes."""
        return self.splits["train"].sessions

    @property
    def valid(self) -> Sessions:
        """Validation sessions as item codes."""
        return self.splits["valid"].sessions

    @property
    def test(self) -> Sessions:
        """Test sessions as item codes."""
        return self.splits["test"].sessions

    @property
    def n_training_items(self) -> int:
        """How many items the training sessions (train and valid) hold."""
        training_items = np.concatenate([self.train.items, self.valid.items])
        return int(training_items.max(initial=-1)) + 1


@dataclass(frozen=True, kw_only=True)
class ConvertedLog(SessionTables):
    """A converted log, ready to be written as atomic files.

    Attributes:
        name: name of the data set, also of its folder.
        source: name of the reader that made it.
        notes: remarks a user of the data set has to know.
        best: best reachable scores, where the source knows them (synthetic data).
        warnings: what in the raw log may be wrong; said once, when it is converted.
        afterwards: what else the reader writes, once the data set stands.
    """

    name: str
    source: str
    notes: tuple[str, ...] = ()
    best: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    afterwards: tuple[Callable[[], None], ...] = ()
