"""Recommendations for new sessions, from a saved run alone.

::

    from recbole_a2d.recommend import recommend
    recommend("saved/shop-A2DMTL-1a2b3c4d", [["i12", "i7"], ["i99"]], k=10)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from recbole_a2d.config import SessionConfig
from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.errors import UserError, reason
from recbole_a2d.experiment import build_model
from recbole_a2d.saved_run import ADVICE, FACTS, SavedRun, read_saved_run
from recbole_a2d.scoring import score_parts
from recbole_a2d.top_items import PopularityOrder, top_items

SHOW_PROGRESS_FROM = 5_000
"""Sessions from which on a terminal sees a progress bar."""
ONE_THREAD_UP_TO = 1 << 18
"""Scores (sessions times items) up to which one thread does the work. A second one saves a fraction
of a millisecond, and where the processor has other things to do, the two wait for each other at
every step: 157 ms were measured for a session that takes 4 ms."""

SCORE_BYTES_AT_ONCE = 1 << 24
"""Of the scores that are searched for the best: few enough to stay near the processor."""
DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What constructors raise, RecBole's among them, at settings of another type or range."""


@dataclass(frozen=True)
class Recommendation:
    """What to show after one session.

    Attributes:
        items: raw ids, best first.
        scores: the model's, comparable within one list; training clicks in a popularity list.
        unknown: raw ids of clicks that training never saw; they were left out.
        popular: no click was known, so this is the popularity list.
    """

    items: list[str]
    scores: list[float]
    unknown: list[str] = field(default_factory=list)
    popular: bool = False


@dataclass
class _Request:
    """What was asked for, and the answers so far by number of the session.

    Attributes:
        k: length of a list.
        seen: the sessions, where their own items are left out.
        unknown: raw ids that training never saw, by number of the session.
    """

    k: int
    seen: Sessions | None
    unknown: dict[int, list[str]]
    answers: dict[int, Recommendation] = field(default_factory=dict)


def recommend(
    run: Recommender | Path | str,
    sessions: Sequence[Sequence[Any]],
    k: int = 20,
    exclude_seen: bool = False,
) -> list[Recommendation]:
    """The k next items of each session.

    Args:
        run: folder of a finished run, or a :class:`Recommender` to load it once only.
        sessions: raw item ids of each session's clicks, oldest first.
        k: length of the lists.
        exclude_seen: leave out items that the session has clicked.

    Raises:
        UserError: the folder holds no finished run, or ``k`` is below 1.
    """
    model = run if isinstance(run, Recommender) else Recommender.load(Path(run))
    return model.recommend(sessions, k, exclude_seen)


@contextmanager
def _threads_for(scores: int) -> Iterator[None]:
    """So many threads as so many scores are worth, while the block runs."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1 if scores <= ONE_THREAD_UP_TO else usual)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _built(run: SavedRun) -> tuple[SessionConfig, Any]:
    """Settings and model of a run; whatever damaged settings lead to is their fault."""
    try:
        config = run.config()
        rows = config["eval_batch_size"]
        if type(rows) is not int or rows < 1:
            raise ValueError(f"eval_batch_size is {rows!r}, no whole number of at least 1")
        return config, build_model(config, run.model, run.dataset)
    except (UserError, *DAMAGE) as error:
        raise UserError(
            f"{run.name}: the settings in its {FACTS} build no {run.model} ({reason(error)}); "
            f"{ADVICE}"
        ) from error


def _with_weights(model: Any, run: SavedRun) -> Any:
    if not run.weights and not any(True for _ in model.parameters()):
        return model
    try:
        model.load_state_dict(run.weights)
    except RuntimeError as error:
        raise UserError(
            f"{run.name}: the weights do not fit {run.model} as this version "
            "builds it; run it again with --fresh"
        ) from error
    return model


class ItemIds(dict[str, int]):
    """Number of every raw item id; 0 for those that training never saw."""

    def __missing__(self, token: str) -> int:
        return 0


class Recommender:
    """A saved run, ready to answer.

    Args:
        run: of :func:`recbole_a2d.saved_run.read_saved_run`.

    Raises:
        UserError: the settings build no model, or the weights do not fit it.
    """

    def __init__(self, run: SavedRun) -> None:
        self.run = run
        self.dataset = run.dataset
        self.config, model = _built(run)
        self.device = torch.device(self.config["device"])
        self.model = _with_weights(model, run).to(self.device).eval()
        tokens = self.dataset.item_tokens
        self.id_of_token = ItemIds((token, i) for i, token in enumerate(tokens) if i > 0)
        self.popularity = self.dataset.train.item_counts(self.dataset.n_items)
        self.by_popularity = np.argsort(-self.popularity[1:], kind="stable") + 1
        self._order = PopularityOrder.of(torch.from_numpy(self.by_popularity).to(self.device))
        # As the trainer does before it ranks: a session bank is made anew here.
        if hasattr(self.model, "on_epoch_start"):
            self.model.on_epoch_start(run.epochs)

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """Read ``saved/RUN`` and build its model.

        Raises:
            UserError: it is no finished run, or damaged.
        """
        return cls(read_saved_run(folder))

    # ------------------------------------------------------------------ answers

    def recommend(
        self, sessions: Sequence[Sequence[Any]], k: int = 20, exclude_seen: bool = False
    ) -> list[Recommendation]:
        """See :func:`recommend`.

        Raises:
            UserError: ``k`` is below 1.
        """
        if k < 1:
            raise UserError(f"-k is {k}; a list needs at least one item")
        coded = self.code(sessions)
        unknown = self._unknown(sessions, coded)
        request = _Request(k, coded if exclude_seen else None, unknown)
        rows = self.rows(coded)
        loader = PrefixLoader(rows, self.config["eval_batch_size"], shuffle=False)
        quiet = None if len(rows) >= SHOW_PROGRESS_FROM else True
        with _threads_for(len(rows) * self.dataset.n_items):
            for batch in tqdm(loader, desc="recommend", leave=False, disable=quiet):
                known = batch["item_length"] > 0
                batch = batch if bool(known.all()) else batch[known]
                if len(batch) > 0:
                    self._answer(batch, request)
        return [
            request.answers.get(row) or self._popular(k, unknown.get(row, []))
            for row in range(len(sessions))
        ]

    @torch.no_grad()
    def _answer(self, batch: Any, request: _Request) -> None:
        batch = batch.to(self.device)
        for rows, scores in score_parts(self.model, batch, SCORE_BYTES_AT_ONCE):
            self._list_best(scores, batch["row_id"][rows].tolist(), request)

    def _list_best(self, scores: Tensor, row_ids: list[int], request: _Request) -> None:
        seen = request.seen
        if seen is not None:
            for place, row in enumerate(row_ids):
                scores[place, torch.from_numpy(seen[row]).to(self.device)] = -torch.inf
        items, values = top_items(scores, request.k, self._order)
        tokens = self.dataset.item_tokens[items.cpu().numpy()].tolist()
        for row, names, numbers in zip(row_ids, tokens, values.tolist(), strict=True):
            if seen is not None:
                left = sum(number > -np.inf for number in numbers)
                names, numbers = names[:left], numbers[:left]
            unknown = request.unknown.get(row) or []
            request.answers[row] = Recommendation(names, numbers, unknown)

    def places(self, scores: Tensor, item: int, seen: Sequence[IntArray] | None) -> list[int]:
        """Place of an item in the lists that are made of some scores, from 1.

        Args:
            scores: of :meth:`scores`, overwritten; ``[B, n_items]``.
            item: its number.
            seen: items left out of each list, ``B`` arrays; None: none are.
        """
        for row, left_out in enumerate(seen or ()):
            scores[row, torch.from_numpy(left_out[left_out != item]).to(self.device)] = -torch.inf
        own, place = scores[:, item : item + 1], self._order.place
        before = (scores > own) | ((scores == own) & (place < place[item]))
        before[:, 0] = False
        return [int(number) + 1 for number in before.sum(1)]

    @torch.no_grad()
    def scores(self, batch: Any) -> Tensor:
        """Scores of all items for a batch as a whole, ``[B, n_items]``; a fresh tensor."""
        batch = batch.to(self.device)
        scores: Tensor = self.model.full_sort_predict(batch)
        return scores.view(len(batch), -1)

    # ------------------------------------------------------------------ sessions

    def code(self, sessions: Sequence[Sequence[Any]]) -> Sessions:
        """Item ids (0 where unknown), and one more click 0 a session in the target's place."""
        clicks = map(str, chain.from_iterable(sessions))
        lengths = np.fromiter(map(len, sessions), np.int64, len(sessions)) + 1
        coded = Sessions.from_lengths(np.zeros(lengths.sum(), np.int64), lengths)
        clicked = np.ones(len(coded.items), bool)
        clicked[coded.offsets[1:] - 1] = False
        coded.items[clicked] = np.fromiter(map(self.id_of_token.__getitem__, clicks), np.int64)
        return coded

    def rows(self, coded: Sessions) -> PrefixRows:
        """One row a session, its whole length the prefix, cut as in training."""
        end = coded.offsets[1:] - 1
        start = np.maximum(coded.offsets[:-1], end - self.dataset.max_length)
        everyone: IntArray = np.arange(len(coded), dtype=np.int64)
        flat = torch.from_numpy(coded.items)
        return PrefixRows(coded, start, end, everyone, self.dataset.max_length, flat)

    def _unknown(self, sessions: Sequence[Sequence[Any]], coded: Sessions) -> dict[int, list[str]]:
        """Raw ids of the unknown clicks of each session that has any."""
        where = np.flatnonzero(coded.items == 0)
        found = coded.session_of_click[where]
        several = np.unique(found[1:][found[1:] == found[:-1]])  # one 0 is the target's place
        return {
            row: [str(word) for word in sessions[row] if str(word) not in self.id_of_token]
            for row in several.tolist()
        }

    def _popular(self, k: int, unknown: list[str]) -> Recommendation:
        items = self.by_popularity[:k]
        names = self.dataset.item_tokens[items].tolist()
        return Recommendation(names, self.popularity[items].astype(float).tolist(), unknown, True)
