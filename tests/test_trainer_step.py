"""A training step of ours, whatever the libraries switched on at import."""

from __future__ import annotations

from typing import Any

import recbole.model.sequential_recommender  # noqa: F401  # its SINE turns anomaly detection on
import torch
from torch import nn

from recbole_a2d.config import build_config
from recbole_a2d.trainer import SessionTrainer


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
