"""The data the timings run on: a converted data set, or one of the same size and shape made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recbole_a2d.config import SessionConfig, build_config
from recbole_a2d.data.atomic import read_atomic, write_atomic, write_prefixes
from recbole_a2d.data.phases import ExperimentData
from recbole_a2d.data.preprocess import build_log
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import Clicks

ITEMS, CATEGORIES = 43_097, 995
TRAIN_SESSIONS, TEST_SESSIONS = 186_670, 15_800
MORE_CLICKS = 3.85
"""Clicks of a session beyond the first, on average; Diginetica has 4.85 in all."""
LONGEST = 70


def generated(folder: Path, *, items: int = 1, sessions: int = 1) -> Path:
    """Write a data set of Diginetica's size and shape; returns its folder.

    Args:
        folder: to write to.
        items, sessions: that many times Diginetica's.
    """
    random = np.random.default_rng(0)
    n_items = ITEMS * items
    log = build_log(
        name=folder.name,
        source="benchmarks",
        training=_clicks(random, "s", TRAIN_SESSIONS * sessions, n_items, every_item=True),
        test=_clicks(random, "t", TEST_SESSIONS, n_items),
        item_tokens=np.array([f"i{item}" for item in range(n_items)], dtype=object),
        category_of_item={f"i{item}": f"c{item % CATEGORIES}" for item in range(n_items)},
    )
    write_atomic(folder, log)
    return folder


def _clicks(
    random: np.random.Generator, letter: str, sessions: int, items: int, *, every_item: bool = False
) -> Clicks:
    """Sessions that stay within six items of where they start; low numbers start more often.

    With ``every_item`` the first sessions begin with two items each, until all have been clicked.
    """
    lengths = np.minimum(1 + random.geometric(1 / MORE_CLICKS, sessions), LONGEST)
    starts = (items * random.random(sessions) ** 2).astype(np.int64)
    steps = random.integers(-6, 7, lengths.sum())
    if every_item:
        pairs, first = np.arange(0, items, 2), lengths.cumsum() - lengths
        starts[: len(pairs)] = pairs
        steps[first[: len(pairs)]], steps[first[: len(pairs)] + 1] = 0, 1
    flat = (np.repeat(starts, lengths) + steps) % items
    names = np.array([f"{letter}{number}" for number in range(sessions)], dtype=object)
    times = 600.0 * np.repeat(np.arange(sessions), lengths)
    return Clicks(Sessions.from_lengths(flat, lengths), names, times)


def with_prefixes(folder: Path) -> Path:
    """Add the rows that stock RecBole reads, where they are missing."""
    if not (folder / f"{folder.name}.prefix_train.inter").exists():
        write_prefixes(folder, read_atomic(folder))
    return folder


def settings(folder: Path, model: str, **changes: object) -> SessionConfig:
    """Configuration of a model on a data set, silent and without files."""
    places = {"data_path": str(folder.parent), "show_progress": False}
    return build_config(model, folder.name, overrides=places | changes)


def experiment_data(folder: Path, config: SessionConfig) -> ExperimentData:
    """The data set's phases."""
    return ExperimentData(read_atomic(folder), config)
