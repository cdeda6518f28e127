"""Recommendations for new sessions, from a saved run alone.

::

    from recbole_a2d.recommend import recommend
    recommend("saved/shop-A2DMTL-1a2b3c4d", [["i12", "i7"], ["i99"]], k=10)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import build_model
from recbole_a2d.precision import autocast, choose_precision
from recbole_a2d.saved_run import SavedRun, read_saved_run
from recbole_a2d.top_items import top_items

SHOW_PROGRESS_FROM = 5_000
"""Sessions from which on a terminal sees a progress bar."""


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


class Recommender:
    """A saved run, ready to answer.

    Args:
        run: of :func:`recbole_a2d.saved_run.read_saved_run`.

    Raises:
        UserError: the weights do not fit the model.
    """

    def __init__(self, run: SavedRun) -> None:
        self.run = run
        self.dataset = run.dataset
        self.config = run.config()
        self.device = torch.device(self.config["device"])
        self.dtype = choose_precision(self.config["precision"], self.device)
        self.model = self._build().to(self.device).eval()
        self.id_of_token = {token: i for i, token in enumerate(self.dataset.item_tokens) if i > 0}
        self.popularity = np.bincount(self.dataset.train.items, minlength=self.dataset.n_items)
        self.by_popularity = np.argsort(-self.popularity[1:], kind="stable") + 1
        self._order = torch.from_numpy(self.by_popularity).to(self.device)
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

    def _build(self) -> Any:
        model: Any = build_model(self.config, self.run.model, self.dataset)
        if not self.run.weights and not any(True for _ in model.parameters()):
            return model
        try:
            model.load_state_dict(self.run.weights)
        except RuntimeError as error:
            raise UserError(
                f"{self.run.name}: the weights do not fit {self.run.model} as this version "
                "builds it; run it again with --fresh"
            ) from error
        return model

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
        unknown = [self._unknown(words) for words in sessions]
        answers: list[Recommendation] = [self._popular(k, words) for words in unknown]
        rows = self.rows(coded)
        loader = PrefixLoader(rows, int(self.config["eval_batch_size"]), shuffle=False)
        quiet = None if len(rows) >= SHOW_PROGRESS_FROM else True
        for batch in tqdm(loader, desc="recommend", leave=False, disable=quiet):
            known = batch["item_length"] > 0
            batch = batch if bool(known.all()) else batch[known]
            if len(batch) > 0:
                self._answer(batch, k, coded if exclude_seen else None, unknown, answers)
        return answers

    def _answer(
        self,
        batch: Any,
        k: int,
        seen: Sessions | None,
        unknown: list[list[str]],
        answers: list[Recommendation],
    ) -> None:
        scores = self.scores(batch)
        row_ids = batch["row_id"].tolist()
        if seen is not None:
            for place, row in enumerate(row_ids):
                scores[place, torch.from_numpy(seen[row]).to(self.device)] = -torch.inf
        items, values = top_items(scores, k, self._order)
        tokens = self.dataset.item_tokens[items.cpu().numpy()].tolist()
        for row, names, numbers in zip(row_ids, tokens, values.tolist(), strict=True):
            left = sum(number > -np.inf for number in numbers) if seen is not None else k
            answers[row] = Recommendation(names[:left], numbers[:left], unknown[row])

    @torch.no_grad()
    def scores(self, batch: Any) -> Tensor:
        """Scores of all items as the evaluator sees them, ``[B, n_items]``; a fresh tensor."""
        batch = batch.to(self.device)
        with autocast(self.dtype, self.device):
            scores: Tensor = self.model.full_sort_predict(batch)
        return scores.view(len(batch), -1)

    # ------------------------------------------------------------------ sessions

    def code(self, sessions: Iterable[Sequence[Any]]) -> Sessions:
        """Item ids (0 where unknown), and one more click 0 a session in the target's place."""
        number = self.id_of_token.get
        return Sessions.from_lists(
            [*(number(str(word), 0) for word in words), 0] for words in sessions
        )

    def rows(self, coded: Sessions) -> PrefixRows:
        """One row a session, its whole length the prefix, cut as in training."""
        end = coded.offsets[1:] - 1
        start = np.maximum(coded.offsets[:-1], end - self.dataset.max_length)
        everyone: IntArray = np.arange(len(coded), dtype=np.int64)
        flat = torch.from_numpy(coded.items)
        return PrefixRows(coded, start, end, everyone, self.dataset.max_length, flat)

    def _unknown(self, words: Sequence[Any]) -> list[str]:
        return [str(word) for word in words if str(word) not in self.id_of_token]

    def _popular(self, k: int, unknown: list[str]) -> Recommendation:
        items = self.by_popularity[:k]
        names = self.dataset.item_tokens[items].tolist()
        return Recommendation(names, self.popularity[items].astype(float).tolist(), unknown, True)
