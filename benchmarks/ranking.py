"""Ranking the test rows, against the bare cost of scoring and ranking as many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.data import experiment_data, settings
from recbole_a2d.evaluation.ranks import target_ranks
from recbole_a2d.experiment import build_model
from recbole_a2d.layers.full_softmax import all_scores
from recbole_a2d.trainer import SessionTrainer, loader

OWN_BARE = "bare cost by our functions"
Ranks = Callable[[Tensor, Tensor, Tensor], Tensor]


def ranking_jobs(folder: Path) -> tuple[dict[str, Callable[[], object]], int]:
    """Evaluation and the bare cost, by torch alone and by our functions, and the number of rows."""
    config = settings(folder, "A2DMTL")
    dataset = experiment_data(folder, config).final
    rows = dataset.evaluation_rows
    trainer = SessionTrainer(config, build_model(config, "A2DMTL", dataset))
    data = loader(rows, config, train=False)
    size, dim = int(config["eval_batch_size"]), int(config["embedding_size"])
    table, sessions = torch.randn(dataset.n_items, dim), torch.randn(len(rows), dim)
    targets = torch.from_numpy(rows.targets)

    def bare(ranks: Ranks) -> Callable[[], None]:
        def rank_all() -> None:
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                ranks(sessions[part], table, targets[part])

        return rank_all

    jobs = {"bare": bare(plain_ranks), OWN_BARE: bare(own_ranks)}
    return jobs | {"evaluation": lambda: trainer.rank(data)}, len(rows)


def plain_ranks(sessions: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Rank of each target, ties counted against it, as anyone writes it with torch.

    Shapes: ``[B, D]``, ``[N + 1, D]``, ``[B]`` -> ``[B]``.
    """
    scores = sessions @ table.T
    reached: Tensor = scores[:, 1:] >= scores.gather(1, targets.unsqueeze(1))
    return reached.sum(1)


def own_ranks(sessions: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """The same by the functions that evaluation uses."""
    return target_ranks(all_scores(sessions, table), targets)
