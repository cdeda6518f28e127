"""Is one model better than another, or is it the luck of the test sessions?

Rows of one session are not independent: its prefixes share their clicks. Everything here
therefore treats the session as the unit of chance, while the reported metric stays the mean
over ROWS, as in the literature (a session of n clicks weighs n - 1). The bootstrap resamples
sessions and compares that row mean; only the Wilcoxon test, which needs one value a unit,
compares the mean of each session, so that there every session weighs the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from recbole_a2d.evaluation.metrics import FloatArray, IntArray, hits, reciprocal_ranks

_DRAWS_AT_ONCE = 4_000_000
"""Sessions drawn at a time by the bootstrap: 32 MB of numbers."""


@dataclass(frozen=True)
class SessionMetric:
    """Mean metrics of every session, in the order of the session numbers.

    Attributes:
        session: session number, ``[sessions]``.
        rows: rows of the session, ``[sessions]``.
        hit: mean of Hit@k over the session's rows, ``[sessions]``.
        reciprocal_rank: mean of 1 / rank, 0 beyond k, ``[sessions]``.
    """

    session: IntArray
    rows: IntArray
    hit: FloatArray
    reciprocal_rank: FloatArray


@dataclass(frozen=True)
class Interval:
    """A difference of two models' metrics and its bootstrap interval, as fractions of 1."""

    difference: float
    low: float
    high: float


def per_session_metric(ranks: IntArray, session_of_row: IntArray, k: int) -> SessionMetric:
    """Mean of Hit@k and of the reciprocal rank within each session.

    The mean of these over sessions is NOT the reported metric, which is the mean over rows:
    weigh them by ``rows`` to get it.

    Args:
        ranks: rank of each row's target, 1 is best, 0 where it is unseen. ``[rows]``.
        session_of_row: session number of each row, in any order. ``[rows]``.
        k: cut-off.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    ranks, session_of_row = np.asarray(ranks), np.asarray(session_of_row)
    if not len(ranks) or ranks.shape != session_of_row.shape:
        raise ValueError(
            f"need one session number a rank and at least one: "
            f"got {session_of_row.shape} and {ranks.shape}"
        )
    session, unit, rows = np.unique(session_of_row, return_inverse=True, return_counts=True)
    hit = np.bincount(unit, weights=hits(ranks, k)) / rows
    reciprocal_rank = np.bincount(unit, weights=reciprocal_ranks(ranks, k)) / rows
    return SessionMetric(session, rows, hit, reciprocal_rank)


def paired_bootstrap(
    first: FloatArray,
    second: FloatArray,
    rows: IntArray,
    *,
    samples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of ``first - second``, in the row-weighted metric, over sessions.

    Each of the ``samples`` resamples draws as many sessions as there are, with replacement,
    the same for both models, and divides the drawn sessions' sum by their rows.

    Args:
        first, second: mean of the metric within each session, for two models. ``[sessions]``.
        rows: rows of each session. ``[sessions]``.
        samples: number of resamples.
        level: share of resamples inside the interval.
        seed: of the draws.

    Raises:
        ValueError: no sessions, or arrays of different lengths.
    """
    _check_pairs(first, second, rows)
    gained = (np.asarray(first) - np.asarray(second)) * rows
    random = np.random.default_rng(seed)
    differences = np.empty(samples)
    step = max(1, _DRAWS_AT_ONCE // len(rows))
    for start in range(0, samples, step):
        count = min(step, samples - start)
        drawn = random.integers(len(rows), size=(count, len(rows)))
        differences[start : start + count] = gained[drawn].sum(1) / rows[drawn].sum(1)
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(gained.sum() / rows.sum()), float(low), float(high))


def wilcoxon_p(first: FloatArray, second: FloatArray) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test on two models' per-session values.

    Sessions without a difference are left out (Wilcoxon's own rule); if none differs, p is 1.

    Shapes: ``[sessions], [sessions]``.

    Raises:
        ValueError: no sessions, or arrays of different lengths.
    """
    _check_pairs(first, second)
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    # Equal gains of two sessions can differ in the last bits, which would break their tie.
    difference = difference.round(12)
    if not difference.any():
        return 1.0
    return float(wilcoxon(difference, zero_method="wilcox").pvalue)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction (1979) of the p-values of several comparisons.

    Args:
        p_values: of each comparison, by its name.

    Returns:
        Adjusted p-values, at most 1, in the given order: comparing each with 0.05 keeps the
        chance of any false claim among them below 5 %.

    Raises:
        ValueError: a p-value outside 0 to 1.
    """
    if any(not 0 <= p <= 1 for p in p_values.values()):
        raise ValueError(f"p-values must lie between 0 and 1: {dict(p_values)}")
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - place)))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def _check_pairs(*arrays: FloatArray | IntArray) -> None:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"need one value a session for each model, got {sorted(lengths)} values")
