"""A training step of ours, when training ends, and which rows are ranked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import recbole.model.sequential_recommender  # noqa: F401  # its SINE turns anomaly detection on
import torch
from torch import nn

from recbole_a2d.config import build_config
from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.trainer import SessionTrainer, loader
from recbole_a2d.training_progress import EpochResult


class Watcher(nn.Module):
    """Notes whether autograd looks for NaN in every gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.watched: bool | None = None

    def calculate_loss(self, batch: Any) -> torch.Tensor:
        self.watched = torch.is_anomaly_enabled()
        return self.weight.sum()


def test_no_step_pays_for_anomaly_detection() -> None:
    torch.autograd.set_detect_anomaly(True)
    try:
        model = Watcher()
        trainer = SessionTrainer(build_config("A2DMTL", "shop"), model)
        trainer._step([0], trainer.calculate_loss)
        assert model.watched is False
        assert torch.is_anomaly_enabled()
    finally:
        torch.autograd.set_detect_anomaly(False)


@pytest.mark.parametrize(
    ("scores", "least_steps", "best", "ended"),
    [
        ([0.1, 0.3, 0.2], 0, 1, False),
        ([0.3, 0.2, 0.1], 0, 0, True),
        ([0.3, 0.3, 0.3], 0, 0, True),
        ([0.3, 0.2, 0.1], 40, 0, False),
        ([0.3, 0.2, 0.1, 0.2], 40, 0, True),
    ],
)
def test_training_ends_two_epochs_after_the_best(
    scores: list[float], least_steps: int, best: int, ended: bool
) -> None:
    settings = {"stopping_step": 2, "stopping_min_steps": least_steps}
    trainer = SessionTrainer(build_config("A2DMTL", "shop", overrides=settings), Watcher())
    for epoch, score in enumerate(scores):
        assert not trainer.progress.finished
        result = EpochResult(epoch, 0.0, 0.0, 0.0, {trainer.valid_metric: score})
        better = trainer.progress.enter(result, trainer.stopping, steps=10)
        assert better == (trainer.progress.best_epoch == epoch)
    assert (trainer.progress.best_epoch, trainer.progress.finished) == (best, ended)


class KnowsThree(nn.Module):
    """Scores item 2 above 1; refuses rows that are misses whatever their scores."""

    def full_sort_predict(self, batch: Any) -> torch.Tensor:
        assert (batch["item_length"] > 0).all() and (batch["item_id"] > 0).all()
        return torch.tensor([9.0, 1.0, 2.0]).repeat(len(batch), 1)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_rows_without_known_click_or_target_are_misses(size: int) -> None:
    sessions = Sessions.from_lists([[1, 2], [1, 1], [0, 1], [2, 0], [0, 0, 2], [0, 1, 2]])
    rows = PrefixRows.of(sessions, 50)
    trainer = SessionTrainer(build_config("A2DMTL", "shop"), KnowsThree())
    ranks = trainer.rank(PrefixLoader(rows, size, shuffle=False))
    assert np.array_equal(ranks, [1, 2, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(("time_order", "in_order"), [(0, False), (1, True)])
def test_a_run_goes_through_its_rows_as_time_order_says(time_order: float, in_order: bool) -> None:
    rows = PrefixRows.of(Sessions.from_lists([[1, 2]] * 50), 50)
    settings = {"time_order": time_order, "train_batch_size": 10}
    served = loader(rows, build_config("GRU4Rec", "shop", overrides=settings), train=True)
    assert np.array_equal(np.concatenate(served.row_batches()), np.arange(50)) == in_order
