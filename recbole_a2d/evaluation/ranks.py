"""Rank of each row's target among all items: the one number every metric is made from."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_a2d.errors import Diverged

# Rows compared at once: 16 rows of 43,000 float32 scores are 2.8 MB, which stay in cache
# between the NaN check and the comparison.
ROWS_AT_ONCE = 16


def target_ranks(scores: Tensor, targets: Tensor) -> Tensor:
    r"""Rank of the target among the candidates 1..n_items-1, ties counted against the model.

    .. math:: \mathrm{rank}_b = 1 + |\{ i \ge 1, i \ne y_b : s_{bi} \ge s_{b y_b} \}|

    Scores are compared in the type they come in: bfloat16 scores tie often, and every tie
    costs the model a rank, so models should hand over float32.

    Args:
        scores: one score per item; column 0 (padding) is never read. Shape ``[B, n_items]``.
        targets: item id of each row's target, 0 where the target was never seen in training.
            Shape ``[B]``.

    Returns:
        int64 ranks, 1 is best; 0 marks a row whose target is unseen. Shape ``[B]``.

    Raises:
        Diverged: a candidate's score is NaN; the message names the row.
        ValueError: a target is not an item id, or the shapes do not fit.
    """
    _check_shapes(scores, targets)
    ranks = torch.empty(len(targets), dtype=torch.int64, device=scores.device)
    with torch.no_grad():
        for start in range(0, len(targets), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            _check_numbers(scores[rows, 1:], start)
            ranks[rows] = _ranks_of_rows(scores[rows], targets[rows])
    return ranks


def _ranks_of_rows(scores: Tensor, targets: Tensor) -> Tensor:
    target_scores = scores.gather(1, targets.unsqueeze(1))
    candidates = scores[:, 1:]
    # Ones and zeros in the scores' own type: a CPU compares within one type several times
    # faster than into booleans. float32 sums them exactly up to 16 million items.
    reached = torch.ge(candidates, target_scores, out=torch.empty_like(candidates))
    # The target itself is among the candidates that reach its score: that is the 1 of the rank.
    ranks = reached.sum(dim=1, dtype=torch.float32).long()
    return ranks.masked_fill(targets == 0, 0)


def _check_shapes(scores: Tensor, targets: Tensor) -> None:
    if scores.dim() != 2 or targets.shape != scores.shape[:1] or scores.shape[1] < 2:
        raise ValueError(
            f"scores must be [B, n_items] with at least one item and targets [B], "
            f"got {tuple(scores.shape)} and {tuple(targets.shape)}"
        )
    if bool(((targets < 0) | (targets >= scores.shape[1])).any()):
        raise ValueError(f"targets must be item ids from 0 to {scores.shape[1] - 1}")


def _check_numbers(candidate_scores: Tensor, first_row: int) -> None:
    # amax keeps NaN and, unlike isnan().any(), makes no table of its own.
    broken = candidate_scores.amax(dim=1).isnan()
    if bool(broken.any()):
        row = first_row + int(broken.nonzero()[0])
        raise Diverged(f"scores of row {row} of the batch contain NaN: the model diverged")
