"""The best k items of every row of scores, ties in order of popularity."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 64
"""Neighbouring items whose best score is looked at first."""


def top_items(scores: Tensor, k: int, by_popularity: Tensor) -> tuple[Tensor, Tensor]:
    """The k best candidates of each row, best first; equal scores in order of popularity.

    The k best items stand in the k blocks with the best maxima, so that only those are sorted:
    one pass over the scores instead of torch's several. Only a row whose k-th score is shared
    by items left out (a neighbour method's zeros) is looked through as a whole.

    Args:
        scores: column 0 is the pad's and never read, ``[B, n_items]``.
        k: at most ``n_items - 1`` are returned.
        by_popularity: all items from the most to the least popular, ``[n_items - 1]``.

    Returns:
        Item ids and their scores, ``[B, min(k, n_items - 1)]``.

    Raises:
        ValueError: a candidate's score is NaN.
    """
    candidates = scores[:, 1:]
    k = min(k, candidates.shape[1])
    items, values, open_tie = _best_by_blocks(candidates, k)
    if bool(values.isnan().any()):
        raise ValueError("scores contain NaN: the model diverged")
    rows = open_tie.nonzero().squeeze(1)
    if len(rows) > 0:
        items[rows] = _complete_ties(candidates[rows], values[rows, -1:], by_popularity, k)
        values[rows] = candidates[rows].gather(1, items[rows] - 1)
    return _ordered(items, values, by_popularity)


def _best_by_blocks(candidates: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Items, scores, and whether an item left out has the k-th score too; k best, any order."""
    width = candidates.shape[1]
    blocks = width // BLOCK
    if blocks <= k:
        best = candidates.topk(min(k + 1, width), dim=1)
        return best.indices[:, :k] + 1, best.values[:, :k], _tie_at(best.values, k)
    table = candidates[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK))
    chosen = table.amax(2).topk(k + 1, dim=1)
    picked = chosen.indices[:, :k]
    places = picked.unsqueeze(2) * BLOCK + torch.arange(BLOCK, device=candidates.device)
    rest = torch.arange(blocks * BLOCK, width, device=candidates.device)
    places = torch.cat([places.flatten(1), rest.expand(len(candidates), -1)], dim=1)
    best = candidates.gather(1, places).topk(k + 1, dim=1)
    items = places.gather(1, best.indices[:, :k]) + 1
    values = best.values[:, :k]
    return items, values, _tie_at(best.values, k) | (chosen.values[:, k] >= values[:, -1])


def _tie_at(best: Tensor, k: int) -> Tensor:
    if best.shape[1] <= k:
        return torch.zeros(len(best), dtype=torch.bool, device=best.device)
    return best[:, k] == best[:, k - 1]


def _complete_ties(candidates: Tensor, least: Tensor, by_popularity: Tensor, k: int) -> Tensor:
    """All items above the k-th score, then the most popular of those that have it."""
    in_order = candidates[:, by_popularity - 1]
    above = in_order > least
    tied = in_order == least
    missing = k - above.sum(1, keepdim=True)
    taken = above | (tied & (tied.cumsum(1) <= missing))
    return by_popularity[taken.nonzero()[:, 1]].view(len(candidates), k)


def _ordered(items: Tensor, values: Tensor, by_popularity: Tensor) -> tuple[Tensor, Tensor]:
    place = torch.empty(len(by_popularity) + 1, dtype=torch.int64, device=items.device)
    place[by_popularity] = torch.arange(len(by_popularity), device=items.device)
    first = place[items].argsort(1)
    order = first.gather(1, values.gather(1, first).argsort(dim=1, descending=True, stable=True))
    return items.gather(1, order), values.gather(1, order)
