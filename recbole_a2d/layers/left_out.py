"""A session's own items, left out of a softmax where another part of the answer speaks for them.

A mean of the clicks is nearest to the clicks themselves, so a softmax over all items spends on them
what it is the pointer's business to know. And what it spends there is not what it seems: on a
training row whose target is new, the softmax has learned the target by heart and leaves the
session's own items little; on an unknown row it leaves them much, on top of the pointer's share.
Returns are then expected too often. Without own items in the softmax, what is learned of that share
is all there is.
"""

from __future__ import annotations

import torch
from torch import Tensor


def is_among(targets: Tensor, items: Tensor) -> Tensor:
    """Whether each row's target is one of its items; ``[B], [B, S] -> [B]``, bool."""
    return (items == targets.unsqueeze(1)).any(1)


def leave_out_(scores: Tensor, own: Tensor) -> Tensor:
    """Scores of minus infinity for each session's own items, in place.

    A session that holds every item there is keeps its scores.

    Shapes: scores ``[B, N + 1]`` (column 0 is not read), own ``[B, T]`` (0 on empty places).
    """
    return scores.scatter_(1, without_whole_catalogues(own, scores.shape[1]), -torch.inf)


def without_whole_catalogues(own: Tensor, size: int) -> Tensor:
    """The same items, none in rows that hold all of 1 to size - 1; ``[B, T] -> [B, T]``."""
    if own.shape[1] < size - 1:
        return own
    met = torch.zeros(len(own), size, dtype=torch.bool, device=own.device).scatter_(1, own, True)
    return own.masked_fill(met[:, 1:].all(1, keepdim=True), 0)
