"""Metrics of next-item recommendation, all computed from the ranks of the targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

UNSEEN = 0  # the rank of a row whose target never occurs in training: a miss at every cut-off


def metrics_from_ranks(ranks: IntArray, ks: Sequence[int] = (5, 10, 20)) -> dict[str, float]:
    """Hit rate, mean reciprocal rank and nDCG at each cut-off, as fractions of 1.

    With one target a row these equal RecBole's ``Hit`` (= ``Recall``; the literature's P@k),
    ``MRR`` and ``NDCG``.

    Args:
        ranks: rank of each row's target, 1 is best, 0 where the target is unseen. ``[rows]``.
        ks: cut-offs.

    Returns:
        ``{"hit@5": ..., "mrr@5": ..., "ndcg@5": ..., ...}``, means over the rows.

    Raises:
        ValueError: there are no rows, or a rank is negative.
    """
    ranks = np.asarray(ranks)
    if ranks.size == 0:
        raise ValueError("no ranks to average: the evaluation has no rows")
    metrics: dict[str, float] = {}
    for k in ks:
        metrics[f"hit@{k}"] = float(hits(ranks, k).mean())
        metrics[f"mrr@{k}"] = float(reciprocal_ranks(ranks, k).mean())
        metrics[f"ndcg@{k}"] = float(discounted_gains(ranks, k).mean())
    return metrics


def hits(ranks: IntArray, k: int) -> FloatArray:
    """1 where the target is among the first ``k`` candidates, else 0. Shapes: [rows] -> [rows]."""
    if (ranks < 0).any():
        raise ValueError(f"rank {int(ranks.min())} is not a rank: 1 is best, {UNSEEN} is unseen")
    hit: FloatArray = ((ranks != UNSEEN) & (ranks <= k)).astype(np.float64)
    return hit


def reciprocal_ranks(ranks: IntArray, k: int) -> FloatArray:
    """1 / rank of the first ``k`` ranks, 0 beyond. Shapes: [rows] -> [rows]."""
    values: FloatArray = hits(ranks, k) / np.maximum(ranks, 1)
    return values


def discounted_gains(ranks: IntArray, k: int) -> FloatArray:
    """1 / log2(rank + 1) of the first ``k`` ranks, 0 beyond. Shapes: [rows] -> [rows]."""
    gains: FloatArray = hits(ranks, k) / np.log2(np.maximum(ranks, 1) + 1.0)
    return gains
