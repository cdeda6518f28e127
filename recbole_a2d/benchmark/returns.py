"""How well models find what a session has seen before, and how well what it has not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.entries import METRICS, Entry
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import NOTHING, Table, Value
from recbole_a2d.evaluation.metrics import metrics_from_ranks

TITLE = "Returns and new items"
KINDS = ("return", "new")


def returns_table(group: Group, statistics: Statistics) -> Table | None:
    """Metrics of the models on the rows of either kind, in order of MRR@20 over all rows.

    None where the facts of the rows are unknown, or there is no model. A return is a target that
    stands in its own prefix already.
    """
    facts = statistics.facts(group)
    if facts is None or not group.models:
        return None
    returned = facts.repeat == 1
    kinds = (returned, ~returned)
    figures = [_figures(entry, kinds, statistics) for entry in group.models]
    best = np.nan_to_num(figures).max(axis=0)
    rows = [
        [Value(entry.label, entry.runs[0]), *_values(row, best)]
        for entry, row in zip(group.models, figures, strict=True)
    ]
    heads = [f"{kind}, {label}" for kind in KINDS for _, label in METRICS]
    share = f"{100 * returned.mean():.1f} % of the targets stand in their own prefix already."
    return Table(TITLE, ["model", *heads], rows, [share])


def _figures(
    entry: Entry, kinds: Sequence[NDArray[np.bool_]], statistics: Statistics
) -> NDArray[np.float64]:
    """Each metric on each kind of rows, mean over the seeds, ``[kinds x metrics]``."""
    of_seeds = [
        [value for kind in kinds for value in _metrics(statistics.ranks(record, len(kind))[kind])]
        for record in entry.records
    ]
    return np.mean(of_seeds, axis=0)


def _metrics(ranks: NDArray[np.int64]) -> list[float]:
    """NaN where there is no row of the kind."""
    if not len(ranks):
        return [np.nan] * len(METRICS)
    found = metrics_from_ranks(ranks, ks=(20,))
    return [found[metric] for metric, _ in METRICS]


def _values(row: NDArray[np.float64], best: NDArray[np.float64]) -> list[Value]:
    return [
        Value(NOTHING) if np.isnan(value) else Value(f"{100 * value:.2f}", strong=value == most)
        for value, most in zip(row, best, strict=True)
    ]
