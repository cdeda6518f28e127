"""Prefix rows as index ranges over flat sessions, padded only when a batch asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_a2d.data.sessions import IntArray, Sessions


@dataclass(frozen=True)
class PrefixRows:
    """Every (prefix, target) row of some sessions: ``items[start:end]`` and ``items[end]``.

    Attributes:
        sessions: the sessions, item ids with 0 for an unseen item.
        start, end: range of each row's prefix over the sessions' clicks, ``[rows]``.
        session: session of each row, ``[rows]``.
        max_length: prefixes longer than this are cut to their last clicks.
    """

    sessions: Sessions
    start: IntArray
    end: IntArray
    session: IntArray
    max_length: int
    _flat: Tensor = field(repr=False)

    @classmethod
    def of(cls, sessions: Sessions, max_length: int) -> PrefixRows:
        """Rows of all sessions in session order, shortest prefix first."""
        session = sessions.session_of_click
        first = sessions.offsets[:-1][session]
        end = np.flatnonzero(np.arange(len(sessions.items)) > first)
        session = session[end]
        start = np.maximum(sessions.offsets[:-1][session], end - max_length)
        return cls(sessions, start, end, session, max_length, torch.from_numpy(sessions.items))

    def __len__(self) -> int:
        return len(self.end)

    @property
    def lengths(self) -> IntArray:
        """Clicks in each prefix, unseen ones counted, ``[rows]``."""
        return self.end - self.start

    @property
    def targets(self) -> IntArray:
        """Target item of each row, 0 where unseen, ``[rows]``."""
        return self.sessions.items[self.end]

    @property
    def cut(self) -> int:
        """How many rows lost early clicks to ``max_length``."""
        return self.longer_than(self.max_length)

    def longer_than(self, clicks: int) -> int:
        """How many rows have more clicks before their target, unseen and cut ones counted."""
        full = self.end - self.sessions.offsets[:-1][self.session]
        return int((full > clicks).sum())

    def batch(self, rows: IntArray) -> Interaction:
        """The rows as a RecBole interaction, right-padded with 0 to their longest prefix.

        Unseen clicks (id 0) are dropped from the prefix; a prefix left without a click
        has length 0 and its first position is the pad.

        Fields: ``item_id_list [B, T]``, ``item_length [B]``, ``item_id [B]`` (target),
        ``session_id [B]``, ``row_id [B]``.
        """
        start, end = torch.from_numpy(self.start[rows]), torch.from_numpy(self.end[rows])
        prefixes, lengths = _padded(self._flat, start, end)
        return Interaction(
            {
                "item_id_list": prefixes,
                "item_length": lengths,
                "item_id": self._flat[end],
                "session_id": torch.from_numpy(self.session[rows]),
                "row_id": torch.from_numpy(np.ascontiguousarray(rows)),
            }
        )


def _padded(flat: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    lengths = end - start
    longest = int(lengths.max()) if len(lengths) else 0
    steps = torch.arange(max(longest, 1))
    index = start.unsqueeze(1) + steps
    inside = steps < lengths.unsqueeze(1)
    prefixes = flat[index.clamp_max(len(flat) - 1)] * inside
    seen = prefixes > 0
    known = seen.sum(1)
    if not torch.equal(known, lengths):
        order = torch.argsort(~seen, dim=1, stable=True)
        prefixes = prefixes.gather(1, order)[:, : max(int(known.max()), 1)]
    return prefixes, known


class PrefixLoader:
    """Batches of prefix rows; the counterpart of RecBole's data loaders.

    Training rows are shuffled anew each epoch from ``seed`` and ``epoch``, so a run that
    was cut off goes on with the very batches it would have seen. Rows of like length
    share a batch: the shuffled rows are sorted by length within pools of ``pool``
    batches, and then the batches are shuffled in their turn.

    Args:
        rows: to serve.
        batch_size: of this process.
        shuffle: False serves all rows by length.
        seed: of the shuffle.
        time_order: how much of the rows' own order, from the oldest session to the newest, a
            shuffle keeps: 0 nothing, 1 all of it.
        pool: batches that are sorted together.
        share: ``(rank, processes)``. A batch is made for all processes, so many times as large,
            and each takes every so-manieth row of it: the last batch may leave one without rows.
    """

    def __init__(
        self,
        rows: PrefixRows,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        time_order: float = 0.0,
        pool: int = 32,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.rows = rows
        self.rank, self.processes = share
        self.batch_size = batch_size * self.processes
        self.shuffle = shuffle
        self.seed = seed
        self.time_order = time_order
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the shuffle of this epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Interaction]:
        for rows in self.row_batches():
            yield self.rows.batch(rows[self.rank :: self.processes])

    def row_batches(self) -> list[IntArray]:
        """Row numbers of every batch of all processes, in the order they are served."""
        if len(self.rows) == 0:
            return []
        if not self.shuffle:
            order = np.argsort(self.rows.lengths, kind="stable")
            return np.array_split(order, np.arange(self.batch_size, len(order), self.batch_size))
        random = np.random.default_rng((self.seed, self.epoch))
        order = self._shuffled(len(self.rows), random)
        pool = self.pool * self.batch_size
        batches: list[IntArray] = []
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            part = part[np.argsort(self.rows.lengths[part], kind="stable")]
            batches += np.array_split(part, np.arange(self.batch_size, len(part), self.batch_size))
        return [batches[i] for i in self._shuffled(len(batches), random)]

    def _shuffled(self, count: int, random: np.random.Generator) -> IntArray:
        """Numbers below ``count``, each before all that lie far enough behind it.

        Far enough is more than ``(1 - time_order) / time_order`` of the count.
        """
        if self.time_order == 0:
            # The formula would shuffle as well, but not into the batches of earlier runs.
            return random.permutation(count)
        place, chance = np.arange(count) / count, random.random(count)
        return np.argsort(self.time_order * place + (1 - self.time_order) * chance, kind="stable")
