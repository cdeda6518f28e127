"""The best k items of every row of scores, ties in order of popularity."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from recbole_a2d.errors import Diverged

BLOCKS = (64, 8)
"""Neighbouring items whose best score is looked at first, then those of what is left."""


class PopularityOrder(NamedTuple):
    """All items by popularity.

    Attributes:
        items: the most popular first, ``[n_items - 1]``.
        place: of each item among them, ``[n_items]``; the pad's means nothing.
    """

    items: Tensor
    place: Tensor

    @classmethod
    def of(cls, items: Tensor) -> PopularityOrder:
        """From the items in order."""
        place = torch.zeros(len(items) + 1, dtype=torch.int64, device=items.device)
        place[items] = torch.arange(len(items), device=items.device)
        return cls(items, place)


def top_items(scores: Tensor, k: int, order: PopularityOrder) -> tuple[Tensor, Tensor]:
    """The k best candidates of each row, best first; equal scores in order of popularity.

    The k best items stand in the k blocks with the best maxima, so that only those are sorted:
    one pass over the scores instead of torch's several. Only a row whose k-th score is shared
    by items left out (a neighbour method's zeros) is looked through as a whole.

    Args:
        scores: column 0 is the pad's and never read, ``[B, n_items]``.
        k: at most ``n_items - 1`` are returned.
        order: of the items by popularity.

    Returns:
        Item ids and their scores, ``[B, min(k, n_items - 1)]``.

    Raises:
        Diverged: a candidate's score is NaN.
    """
    candidates = scores[:, 1:]
    k = min(k, candidates.shape[1])
    columns, values, open_tie = _best(candidates, k, BLOCKS)
    items = columns + 1
    if bool(values.isnan().any()):
        raise Diverged("scores contain NaN: the model diverged")
    rows = open_tie.nonzero().squeeze(1)
    if len(rows) > 0:
        items[rows] = _complete_ties(candidates[rows], values[rows, -1:], order.items, k)
        values[rows] = candidates[rows].gather(1, items[rows] - 1)
    return _ordered(items, values, order.place)


def _best(candidates: Tensor, k: int, blocks: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Columns and scores of the k best, and whether one left out has the k-th score too."""
    width = candidates.shape[1]
    size = blocks[0] if blocks else width
    count = width // size
    if count <= k:
        best = candidates.topk(min(k + 1, width), dim=1)
        return best.indices[:, :k], best.values[:, :k], _tie_at(best.values, k)
    table = candidates[:, : count * size].unflatten(1, (count, size))
    chosen = table.amax(2).topk(k + 1, dim=1)
    picked = chosen.indices[:, :k]
    rows = torch.arange(len(candidates), device=candidates.device).unsqueeze(1)
    inside = torch.cat([table[rows, picked].flatten(1), candidates[:, count * size :]], dim=1)
    places, values, tie = _best(inside, k, blocks[1:])
    in_block = picked.gather(1, (places // size).clamp_max(k - 1)) * size + places % size
    columns = torch.where(places < k * size, in_block, places + (count - k) * size)
    return columns, values, tie | (chosen.values[:, k] >= values[:, -1])


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


def _ordered(items: Tensor, values: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    first = place[items].argsort(1)
    order = first.gather(1, values.gather(1, first).argsort(dim=1, descending=True, stable=True))
    return items.gather(1, order), values.gather(1, order)
