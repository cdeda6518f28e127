"""Scores of all items for the rows of a batch, some rows at a time.

A batch's session vectors are best made for many rows together: that is hundreds of small
operations. Its scores are the largest array there is, 20 GB for 512 rows and ten million items. So
a model makes a *scorer* for a batch, which is then asked for as many rows as memory or a cache
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks

Scorer = Callable[[slice], Tensor]
"""Scores of all items for a slice of a batch's rows, ``[rows, n_items]``."""

_BYTES_AT_ONCE = 1 << 27
_FEWEST = 16


def score_parts(
    model: Any, batch: Any, bytes_at_once: int = _BYTES_AT_ONCE
) -> Iterator[tuple[slice, Tensor]]:
    """Slices of the batch's rows and their scores, ``[rows, n_items]``, one after another.

    Args:
        model: one with ``scorer(batch)``, or any of RecBole's, which scores the batch as a whole.
        batch: rows of a loader, on the model's device.
        bytes_at_once: of the scores, but for at least 16 rows.
    """
    if not hasattr(model, "scorer"):
        yield slice(0, len(batch)), model.full_sort_predict(batch).view(len(batch), -1)
        return
    scorer: Scorer = model.scorer(batch)
    for rows in row_chunks(len(batch), 4 * model.n_items, bytes_at_once, least=_FEWEST):
        yield rows, scorer(rows)
