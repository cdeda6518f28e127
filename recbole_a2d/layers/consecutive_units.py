"""Runs of k consecutive clicks as nodes, and the edges between them (MSGIFSR, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.session_graph import first_occurrence, trim

Steps = tuple[Tensor, Tensor]
"""Sources and targets of edges, ``[E]`` each."""


@dataclass(frozen=True)
class UnitLevel:
    """All distinct units of k consecutive clicks of a batch, session by session.

    Attributes:
        items: the k items of each unit, ``[N, k]``; 0 where the whole session is shorter.
        session: session of each unit, ascending, ``[N]``.
        last: unit that ends with the session's last click, ``[B]``.
        following: edges from a unit to the one that starts a click later.
        from_item: edges from a click's item to the unit that starts right after it.
        to_item: edges from a unit to the item of the click right after it.

    Edges come once each however often their step is made. Items are the units of level 1,
    whose own ``from_item`` and ``to_item`` say the same as ``following``.
    """

    items: Tensor
    session: Tensor
    last: Tensor
    following: Steps
    from_item: Steps
    to_item: Steps


def consecutive_units(item_seq: Tensor, order: int) -> list[UnitLevel]:
    """Units of 1 to ``order`` clicks of every prefix.

    A session shorter than k has one unit of level k: itself, without edges.

    Args:
        item_seq: item ids ``[B, T]``, left-aligned, 0 on pads; every row has a click.
        order: largest k.
    """
    clicks = trim(item_seq)
    lengths = (clicks > 0).sum(1, keepdim=True)
    steps = torch.arange(clicks.shape[1], device=clicks.device)
    first = _first_alike(clicks, order + 1)
    numbers, levels = [], []
    for size in range(1, order + 1):
        complete = (steps + size <= lengths) | (steps == 0)
        numbers.append(_number(first[size - 1], complete))
        # a step from one unit to the next is itself a unit, of one click more
        step_made = (steps + size < lengths) & (first[size] == steps)
        new = (first[size - 1] == steps) & complete
        levels.append(_level(clicks, lengths, numbers, new, step_made))
    return levels


def _first_alike(clicks: Tensor, order: int) -> list[Tensor]:
    """For k = 1 to ``order``: first place from where the same k clicks follow, ``[B, T]``."""
    same = clicks.unsqueeze(2) == clicks.unsqueeze(1)
    itself = torch.eye(clicks.shape[1], dtype=torch.bool, device=clicks.device)
    alike, first = same, [first_occurrence(same)]
    for _ in range(order - 1):
        # runs are alike if their first clicks are and so are the runs a click later
        alike = (same & F.pad(alike[:, 1:, 1:], (0, 1, 0, 1))) | itself
        first.append(first_occurrence(alike))
    return first


def _number(first: Tensor, complete: Tensor) -> Tensor:
    """Number of the unit that starts at each place, through the whole batch, ``[B, T]``."""
    steps = torch.arange(first.shape[1], device=first.device)
    new = (first == steps) & complete
    number = (new.flatten().cumsum(0) - 1).view_as(first)
    return number.gather(1, first)


def _level(
    clicks: Tensor, lengths: Tensor, numbers: list[Tensor], new: Tensor, step_made: Tensor
) -> UnitLevel:
    size, unit, item = len(numbers), numbers[-1], numbers[0]
    runs = F.pad(clicks, (0, size - 1)).unfold(1, size, 1)
    row, place = step_made.nonzero(as_tuple=True)
    here, following = unit[row, place], unit[row, place + 1]
    return UnitLevel(
        items=runs[new],
        session=new.nonzero(as_tuple=True)[0],
        last=unit.gather(1, (lengths - size).clamp_min(0)).squeeze(1),
        following=(here, following),
        from_item=(item[row, place], following),
        to_item=(here, item[row, place + size]),
    )
