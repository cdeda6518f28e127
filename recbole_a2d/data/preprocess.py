"""From the sessions of a reader to the three splits of a data set.

::

    time ──────────────────────────────────────────────────────────▶
    |        training sessions                     | test sessions |
    |        train                  |    valid     |     test      |
                                     last twentieth

Steps that take clicks away work on a whole log at once and keep the order of what stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.data.tables import (
    NO_CATEGORY,
    SPLITS,
    BoolArray,
    Clicks,
    ConvertedLog,
    StringArray,
)
from recbole_a2d.errors import UserError

VALID_FRACTION = 1 / 20
MIN_ITEM_CLICKS = 5


def validation_start(n_sessions: int, fraction: float = VALID_FRACTION) -> int:
    """Index of the first validation session among the training sessions, which are in time order.

    Raises:
        UserError: the fraction is not in [0, 1), or too few sessions are there to cut.
    """
    if not 0 <= fraction < 1:
        raise UserError(f"--valid-fraction {fraction} must be at least 0 and below 1")
    held_out = max(round(n_sessions * fraction), 1) if fraction else 0
    if held_out >= n_sessions:
        smaller = " or a smaller --valid-fraction" if n_sessions > 1 else ""  # one is the least
        raise UserError(
            f"{n_sessions} training sessions are too few to hold out {fraction:.3g} of them for "
            f"validation: use a longer log{smaller}"
        )
    return n_sessions - held_out


def keep_clicks(clicks: Clicks, mask: BoolArray) -> Clicks:
    """Keep the clicks under the mask (``[clicks]``); sessions left without any disappear."""
    if mask.all() and (clicks.sessions.lengths > 0).all():
        return clicks
    sessions = clicks.sessions
    kept = np.concatenate([[0], np.cumsum(mask)])
    lengths = kept[sessions.offsets[1:]] - kept[sessions.offsets[:-1]]
    left = lengths > 0
    return Clicks(
        Sessions.from_lengths(sessions.items[mask], lengths[left]),
        clicks.session_tokens[left],
        clicks.timestamps[mask],
        None if clicks.dates is None else clicks.dates[left],
    )


def keep_sessions(clicks: Clicks, mask: BoolArray) -> Clicks:
    """Keep the sessions under the mask (``[sessions]``)."""
    return keep_clicks(clicks, np.repeat(mask, clicks.sessions.lengths))


def drop_short_sessions(clicks: Clicks, min_length: int = 2) -> Clicks:
    """Drop the sessions with fewer than ``min_length`` clicks."""
    return keep_sessions(clicks, clicks.sessions.lengths >= min_length)


def drop_long_sessions(clicks: Clicks, max_length: int) -> Clicks:
    """Drop the sessions with more than ``max_length`` clicks."""
    return keep_sessions(clicks, clicks.sessions.lengths <= max_length)


def drop_rare_items(clicks: Clicks, min_clicks: int = MIN_ITEM_CLICKS) -> Clicks:
    """Drop the clicks on items clicked fewer than ``min_clicks`` times, in one pass."""
    items = clicks.sessions.items
    return keep_clicks(clicks, (np.bincount(items) >= min_clicks)[items])


def drop_unseen_items(clicks: Clicks, training: Clicks) -> Clicks:
    """Drop the clicks on items that no training session holds."""
    return keep_clicks(clicks, np.isin(clicks.sessions.items, training.sessions.items))


def sort_by_time(clicks: Clicks) -> Clicks:
    """Put the sessions in order of their dates; ties keep their order."""
    sessions = clicks.sessions
    order = np.argsort(clicks.session_dates, kind="stable")
    lengths = sessions.lengths[order]
    ends = np.cumsum(lengths)
    rows = np.repeat(sessions.offsets[:-1][order] - (ends - lengths), lengths)
    rows += np.arange(len(rows))
    return Clicks(
        Sessions.from_lengths(sessions.items[rows], lengths),
        clicks.session_tokens[order],
        clicks.timestamps[rows],
        None if clicks.dates is None else clicks.dates[order],
    )


def build_log(
    *,
    name: str,
    source: str,
    training: Clicks,
    test: Clicks,
    item_tokens: StringArray,
    category_of_item: Mapping[str, str],
    valid_fraction: float = VALID_FRACTION,
    notes: tuple[str, ...] = (),
    best: dict[str, Any] | None = None,
) -> ConvertedLog:
    """Make a data set of training and test sessions in time order.

    Args:
        name: of the data set.
        source: name of the reader.
        training: sessions before the test period; the last ones become validation.
        test: sessions of the test period.
        item_tokens: name of each item code that the sessions use.
        category_of_item: item token to category token; items may be missing.
        valid_fraction: share of the training sessions to validate on.
        notes: remarks for the manifest.
        best: best reachable scores for the manifest.

    Raises:
        UserError: there is nothing to test or to train on, or a session has a single click.
    """
    check_split("training", training)
    check_split("test", test)
    cut = validation_start(len(training.sessions), valid_fraction)
    parts = (
        training.slice(0, cut),
        training.slice(cut, len(training.sessions)),
        test,
    )
    used = _by_first_appearance(
        np.concatenate([part.sessions.items for part in parts]), len(item_tokens)
    )
    code_of_code = np.full(len(item_tokens), -1, dtype=np.int64)
    code_of_code[used] = np.arange(len(used))
    n_training_items = int((np.bincount(training.sessions.items) > 0).sum())
    category_of_code, category_tokens = _encode_categories(
        item_tokens[used], category_of_item, n_training_items
    )
    return ConvertedLog(
        splits={
            split: part.recode(code_of_code) for split, part in zip(SPLITS, parts, strict=True)
        },
        item_tokens=item_tokens[used],
        category_of_code=category_of_code,
        category_tokens=category_tokens,
        name=name,
        source=source,
        notes=notes,
        best=best,
    )


def check_split(title: str, clicks: Clicks) -> None:
    """Refuse an empty split and sessions without a (prefix, target) row.

    Raises:
        UserError: as said; names the session.
    """
    if len(clicks.sessions) == 0:
        raise UserError(f"no {title} session is left: check the raw log and the filters")
    short = np.flatnonzero(clicks.sessions.lengths < 2)
    if len(short):
        raise UserError(
            f"{title} session {clicks.session_tokens[short[0]]!r} (number {short[0] + 1}) has "
            "fewer than two clicks, so it makes no row to learn or test: drop it from the raw log"
        )


def _by_first_appearance(codes: IntArray, n_codes: int) -> IntArray:
    """The codes that occur, in order of first appearance, without sorting the clicks."""
    first = np.full(n_codes, len(codes), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the last one written is the first
    used = np.flatnonzero(first < len(codes))
    return used[np.argsort(first[used])]


def _encode_categories(
    item_tokens: StringArray, category_of_item: Mapping[str, str], n_training_items: int
) -> tuple[IntArray, StringArray]:
    """Category codes in order of first appearance; test-only items get none."""
    code_of_category: dict[str, int] = {}
    codes = np.full(len(item_tokens), NO_CATEGORY, dtype=np.int64)
    for item, token in enumerate(item_tokens[:n_training_items].tolist()):
        category = category_of_item.get(token, "")
        if category:
            codes[item] = code_of_category.setdefault(category, len(code_of_category))
    return codes, np.array(list(code_of_category), dtype=object)
