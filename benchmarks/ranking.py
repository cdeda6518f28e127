"""Ranking the test rows, against the bare cost of scoring and ranking as many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.data import experiment_data, settings
from recbole_a2d.evaluation.ranks import target_ranks
from recbole_a2d.experiment import build_model
from recbole_a2d.layers.full_softmax import all_scores
from recbole_a2d.trainer import SessionTrainer, loader


def ranking_jobs(folder: Path) -> tuple[dict[str, Callable[[], object]], int]:
    """Evaluation and the bare cost, and the number of rows."""
    config = settings(folder, "A2DMTL")
    dataset = experiment_data(folder, config).final
    rows = dataset.evaluation_rows
    trainer = SessionTrainer(config, build_model(config, "A2DMTL", dataset))
    data = loader(rows, config, train=False)
    size, dim = int(config["eval_batch_size"]), int(config["embedding_size"])
    table, sessions = torch.randn(dataset.n_items, dim), torch.randn(len(rows), dim)
    targets = torch.from_numpy(rows.targets)

    def bare() -> None:
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            target_ranks(all_scores(sessions[part], table), targets[part])

    return {"evaluation": lambda: trainer.rank(data), "bare": bare}, len(rows)
