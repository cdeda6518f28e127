"""A data set of a dozen lines and the behaviour every model must show on it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_a2d import scoring
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.model_list import MODELS

PROPERTIES = Path(__file__).parents[2] / "properties" / "model"
BASE_CONFIG = {
    "device": torch.device("cpu"),
    "USER_ID_FIELD": "session_id",
    "ITEM_ID_FIELD": "item_id",
    "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "item_length",
    "NEG_PREFIX": "neg_",
    "MAX_ITEM_LIST_LENGTH": 50,
    "seed": 7,
}

LITTLE_DROPOUT = {"hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
SMALL: dict[str, dict[str, Any]] = {
    "A2DMTL": {"embedding_size": 16},
    "GRU4Rec": {"embedding_size": 16, "hidden_size": 24, "dropout_prob": 0.1},
    "STAMP": {"embedding_size": 16},
    "SRGNN": {"embedding_size": 16, "step": 2},
    "NARM": {"embedding_size": 16, "hidden_size": 24, "dropout_probs": [0.1, 0.1]},
    "CORE": {"embedding_size": 16, **LITTLE_DROPOUT},
    "GCSAN": {"hidden_size": 16, **LITTLE_DROPOUT},
    "SASRec": {"hidden_size": 16, **LITTLE_DROPOUT},
    "GCEGNN": {"embedding_size": 16, "dropout_global": 0.1},
    "MTD": {"embedding_size": 16, "dropout": 0.1, "graph_nodes": 0},
    "MSGIFSR": {"embedding_size": 16, "heads": 2},
    "AttenMixer": {"embedding_size": 16, "num_heads": 4, "levels": 3},
    "MiaSRec": {"embedding_size": 16, "inner_size": 32},
    "MGS": {"embedding_size": 16, "layers": 2, "fellows": 2, "contrast_weight": 0.1},
    "CLHHN": {"embedding_size": 16},
}
"""Settings of each trained model that make it small enough for tests."""


class TinyConfig(dict[str, Any]):
    """RecBole's configuration as models see it: a missing key reads as None."""

    def __missing__(self, key: str) -> None:
        return None


@dataclass
class TinyDataset:
    """What models read of a ``SessionDataset``."""

    train: Sessions
    evaluation: Sessions
    n_items: int
    n_categories: int
    name: str = "tiny"
    max_length: int = 50

    @property
    def category_of_item(self) -> np.ndarray:
        """Items 1, 2, 3, ... take the categories 1, 2, ..., in turn; 0 stays 0."""
        items = np.arange(self.n_items)
        return np.where(items > 0, (items - 1) % max(self.n_categories - 1, 1) + 1, 0) * (
            self.n_categories > 1
        )

    @property
    def item_tokens(self) -> np.ndarray:
        return np.array([f"item-{item}" for item in range(self.n_items)])

    @property
    def category_tokens(self) -> np.ndarray:
        return np.array([f"category-{number}" for number in range(self.n_categories)])

    @property
    def field2seqlen(self) -> dict[str, int]:
        return {"item_id_list": self.max_length}

    def num(self, field: str) -> int:
        return {"item_id": self.n_items, "session_id": len(self.train)}[field]


def cycle_dataset(items: int = 20, categories: int = 5, sessions: int = 200) -> TinyDataset:
    """Sessions that walk a ring of items: the next click is always known."""
    random = np.random.default_rng(0)
    lists = [
        (random.integers(items) + np.arange(random.integers(2, 7))) % items + 1
        for _ in range(sessions)
    ]
    both = Sessions.from_lists(lists)
    return TinyDataset(both, both.slice(0, 20), items + 1, categories + 1)


def ring_dataset(
    categories: int = 5, items: int = 20, *, first_twice: bool = False
) -> SessionDataset:
    """The same walks as a real data set; item ids are places on the ring + 1."""
    random = np.random.default_rng(0)
    walks = [
        (random.integers(items) + np.arange(random.integers(2, 7))) % items for _ in range(200)
    ]
    if first_twice:
        walks = [np.insert(walk, 0, walk[0]) for walk in walks]
    # The first session shows every item in order, so that ids follow the ring.
    sessions = Sessions.from_lists([list(range(items)), *walks])
    return SessionDataset.from_codes(
        "ring",
        sessions,
        sessions.slice(0, 20),
        np.array([f"item-{number}" for number in range(items)], dtype=object),
        np.arange(items) % categories if categories else np.full(items, -1),
        np.array([f"category-{number}" for number in range(categories)], dtype=object),
    )


def small_model(name: str, dataset: SessionDataset | None = None, **overrides: Any) -> Any:
    """Any model of the registry on the ring, small, in the state its first epoch begins with."""
    config = config_of(name, **{**SMALL.get(name, {}), **overrides})
    model: Any = MODELS[name].load()(config, dataset or ring_dataset())
    if hasattr(model, "on_epoch_start"):
        model.on_epoch_start(0)
    return model


def batch_of(
    prefixes: Sequence[Sequence[int]],
    targets: Sequence[int] | None = None,
    width: int | None = None,
) -> Interaction:
    """A batch as the loader makes it; ``width`` pads it further than needed."""
    width = width or max(1, *(len(prefix) for prefix in prefixes))
    padded = [[*prefix, *[0] * (width - len(prefix))] for prefix in prefixes]
    rows = torch.arange(len(prefixes))
    return Interaction(
        {
            "item_id_list": torch.tensor(padded),
            "item_length": torch.tensor([len(prefix) for prefix in prefixes]),
            "item_id": torch.tensor(targets if targets is not None else [1] * len(prefixes)),
            "session_id": rows,
            "row_id": rows,
        }
    )


def config_of(model_name: str, **overrides: Any) -> TinyConfig:
    """The model's own yaml, small unless told otherwise."""
    values = yaml.safe_load((PROPERTIES / f"{model_name}.yaml").read_text())
    return TinyConfig({**BASE_CONFIG, **values, **overrides})


class Checks:
    """Behaviour that every model must show; each method is one assertion."""

    prefixes = ([3], [4, 5, 4, 4, 9], [7, 8], [6, 1, 2, 3, 7, 1, 2, 3, 8], [20, 20, 20])

    def scores(self, model: Any, prefixes: Sequence[Sequence[int]], width: int = 0) -> Tensor:
        """Scores of real items in evaluation mode, ``[rows, n_items - 1]``."""
        model.eval()
        with torch.no_grad():
            scores = model.full_sort_predict(batch_of(prefixes, width=width or None))
        return scores.float().reshape(len(prefixes), -1)[:, 1:]

    def same_in_parts(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two rows at a time get the scores that all get together."""
        monkeypatch.setattr(scoring, "_FEWEST", 2)
        whole = self.scores(model, self.prefixes)
        with torch.no_grad():
            parts = list(scoring.score_parts(model, batch_of(self.prefixes), bytes_at_once=0))
        if hasattr(model, "scorer"):
            assert [rows.stop - rows.start for rows, _ in parts] == [2, 2, 1]
        self.same(torch.cat([scores for _, scores in parts])[:, 1:].float(), whole)

    def same(self, scores: Tensor, others: Tensor) -> None:
        """Equal up to rounding, whatever the scale of the scores."""
        scale = scores.abs().max()
        torch.testing.assert_close(scores / scale, others / scale, rtol=1e-4, atol=1e-5)

    def independent_of_other_rows(self, model: Any) -> None:
        together = self.scores(model, self.prefixes)
        alone = torch.cat([self.scores(model, [prefix]) for prefix in self.prefixes])
        self.same(together, alone)
        self.same(together, self.scores(model, self.prefixes[::-1]).flip(0))

    def independent_of_padding(self, model: Any) -> None:
        self.same(self.scores(model, self.prefixes), self.scores(model, self.prefixes, width=30))

    def finite_without_clicks(self, model: Any) -> None:
        scores = self.scores(model, [[], [5, 6]])
        assert torch.isfinite(scores).all()
        self.same(scores[1:], self.scores(model, [[5, 6]]))
        assert torch.isfinite(self.scores(model, [[]])).all()

    def ignores_unknown_items(self, model: Any) -> None:
        """Clicks on items that training never saw, as the loader hands them on."""
        clicks = Sessions.from_lists([[5, 6, 9], [0, 5, 0, 6, 9], [0, 0, 9]])
        rows = PrefixRows.of(clicks, 50)
        last_of_each = np.flatnonzero(rows.targets == 9)
        model.eval()
        with torch.no_grad():
            scores = model.full_sort_predict(rows.batch(last_of_each)).float()[:, 1:]
        self.same(scores[0], scores[1])
        assert torch.isfinite(scores[2]).all()

    def restored_from_file(self, model: Any, other: Any) -> None:
        """The state of a model, through a file that is read without pickle, gives its scores."""
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(self.scores(model, self.prefixes), self.scores(other, self.prefixes))

    def reads_longest_prefix(self, model: Any) -> None:
        """Fifty clicks, as many as the settings let through."""
        longest = [1 + step % 20 for step in range(50)]
        assert torch.isfinite(self.scores(model, [longest])).all()

    def depends_on_prefix(self, model: Any) -> None:
        scores = self.scores(model, self.prefixes)
        assert (scores[0] - scores[1]).abs().max() > 1e-2 * scores.abs().max()

    def gradients_reach_all(self, model: Any, unused: Sequence[str] = ()) -> None:
        """Every parameter but the named ones gets a gradient; the pad row of the items none."""
        model.train()
        model.calculate_loss(batch_of(self.prefixes, [4, 10, 9, 4, 1])).backward()
        largest = {
            name: 0.0 if parameter.grad is None else float(parameter.grad.abs().max())
            for name, parameter in model.named_parameters()
        }
        assert {name for name, size in largest.items() if not size > 0} <= set(unused)
        # what is named has none indeed, but for rounding
        assert all(largest[name] < 1e-6 * max(largest.values()) for name in unused)
        assert model.item_embedding.weight.grad[0].abs().sum() == 0

    def gradients(self, model: Any) -> dict[str, Tensor]:
        """Gradient of every parameter on one batch, the same dropout every time."""
        model.train()
        torch.manual_seed(5)
        model.calculate_loss(batch_of(self.prefixes, [4, 10, 9, 4, 1])).backward()
        return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}

    def trains_in_bfloat16(self, model: Any) -> None:
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.calculate_loss(batch_of(self.prefixes, [4, 10, 9, 4, 1]))
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        assert torch.isfinite(loss)
        assert all(torch.isfinite(grad).all() for grad in grads)

    def learns_cycle(self, model: Any, steps: int = 150, rate: float = 0.01) -> None:
        """More than nine in ten next clicks right on the ring of items."""
        self.train_on_cycle(model, steps, rate)
        assert self.cycle_accuracy(model) > 0.9

    def train_on_cycle(self, model: Any, steps: int = 150, rate: float = 0.01) -> None:
        """A few steps of Adam on walks round the ring."""
        random = np.random.default_rng(1)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        model.train()
        for _ in range(steps):
            loss = model.calculate_loss(ring_batch(random, model.n_items - 1, 64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def cycle_accuracy(
        self, model: Any, lengths: Sequence[int] = (1, 2, 3, 4, 5), own_items: bool = True
    ) -> float:
        """Share of walks whose next click scores highest, with or without their own items."""
        items = model.n_items - 1
        walks = [
            [(start + step) % items + 1 for step in range(length)]
            for start in range(items)
            for length in lengths
        ]
        scores = self.scores(model, walks)
        if not own_items:
            for row, walk in enumerate(walks):
                scores[row, [item - 1 for item in walk]] = -torch.inf
        expected = torch.tensor([walk[-1] % items + 1 for walk in walks])
        return float((scores.argmax(1) + 1 == expected).float().mean())

    def all(self, model: Any, unused: Sequence[str] = ()) -> None:
        """Every check that needs no training."""
        self.depends_on_prefix(model)
        self.independent_of_other_rows(model)
        self.independent_of_padding(model)
        self.finite_without_clicks(model)
        self.gradients_reach_all(model, unused)
        self.trains_in_bfloat16(model)


def ring_batch(random: np.random.Generator, items: int, rows: int) -> Interaction:
    """Random walks round the ring and the click that follows."""
    starts, lengths = random.integers(items, size=rows), random.integers(1, 6, size=rows)
    walks = [
        [int(start + step) % items + 1 for step in range(length)]
        for start, length in zip(starts, lengths, strict=True)
    ]
    return batch_of(walks, [walk[-1] % items + 1 for walk in walks])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tiny_dataset() -> TinyDataset:
    return cycle_dataset()


@pytest.fixture
def tiny_batch() -> Callable[..., Interaction]:
    return batch_of


@pytest.fixture
def tiny_config() -> Callable[..., TinyConfig]:
    return config_of


@pytest.fixture
def ring_data() -> Callable[..., SessionDataset]:
    return ring_dataset


@pytest.fixture
def small_settings() -> dict[str, dict[str, Any]]:
    return SMALL


@pytest.fixture
def small() -> Callable[..., Any]:
    return small_model


@pytest.fixture
def checks() -> Checks:
    return Checks()
