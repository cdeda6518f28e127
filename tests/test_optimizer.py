"""Sparse and fused Adam as one optimizer, and a model that needs both."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn, optim

from recbole_a2d.config import build_config
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.experiment import build_model
from recbole_a2d.optimizer import JointOptimizer, adam
from recbole_a2d.trainer import SessionTrainer, loader


class Half(nn.Module):
    """A table that is looked up, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Parameter(torch.randn(9, 3))
        self.layer = nn.Linear(3, 1)
        self.sparse_parameters = [self.table]

    def loss(self, rows: list[int]) -> torch.Tensor:
        return self.layer(F.embedding(torch.tensor(rows), self.table, sparse=True)).sum()


def steps(model: Half, optimizers: list[optim.Optimizer], *batches: list[int]) -> None:
    for rows in batches:
        for optimizer in optimizers:
            optimizer.zero_grad()
        model.loss(rows).backward()
        for optimizer in optimizers:
            optimizer.step()


def test_it_is_its_parts() -> None:
    one, other = Half(), Half()
    steps(one, [adam(one, 0.1, 0.01)], [1, 2], [2, 7])
    fused = optim.Adam(other.layer.parameters(), lr=0.1, weight_decay=0.01, fused=True)
    steps(other, [fused, optim.SparseAdam([other.table], lr=0.1)], [1, 2], [2, 7])
    torch.testing.assert_close(one.state_dict(), other.state_dict())
    assert torch.equal(one.table[3], Half().table[3])


def test_learning_rate_and_state_reach_the_parts() -> None:
    one, other = Half(), Half()
    first, second = adam(one, 0.1, 0.0), adam(other, 0.1, 0.0)
    assert isinstance(first, JointOptimizer)
    steps(one, [first], [1, 2], [2, 7])
    other.load_state_dict(one.state_dict())
    second.load_state_dict(deepcopy(first.state_dict()))
    for model, optimizer in ((one, first), (other, second)):
        for group in optimizer.param_groups:
            group["lr"] = 0.05
        steps(model, [optimizer], [2, 4])
    torch.testing.assert_close(one.state_dict(), other.state_dict())


def test_a_model_with_sampled_candidates_trains_and_resumes(tmp_path: Path) -> None:
    changes = {"train_candidates": 64, "train_fraction": 0.1, "embedding_size": 16, "epochs": 2}
    config = build_config("A2DMTL", "shop", overrides=changes)
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select

    def trainer(folder: Path, epochs: int) -> SessionTrainer:
        made = SessionTrainer(config, build_model(config, "A2DMTL", data), folder)
        made.epochs = epochs
        made.fit(loader(data.train_rows, config, train=True), verbose=False)
        return made

    whole = trainer(tmp_path / "whole", 2)
    first, second = (epoch.loss for epoch in whole.progress.history)
    assert second < first
    trainer(tmp_path / "parts", 1)
    resumed = trainer(tmp_path / "parts", 2)
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict())
