"""The leak audit: who sees an answer, and what the order of the test rows gives away.

::

    session a b c d e, its test rows       rows ranked together, file order
      prefix a        target b               a | a b | a b c | a b c d      <- one batch
      prefix a b      target c                   the row "a b" wants c, and its nearest
      prefix a b c    target d                   neighbour in the batch, "a b c", holds c
      prefix a b c d  target e

A bank of neighbours that is drawn from the batch reads the answer there; with the rows
shuffled it mostly cannot. What a model gains by the order of the test rows is the leak.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d import records
from recbole_a2d.benchmark.leak_table import read_label_shares, shares_path
from recbole_a2d.benchmark.suites import ORDERS
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.data.progress import progress
from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.data.sessions import IntArray
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.experiment import build_model
from recbole_a2d.layers.session_bank import TrainingSessionBank, session_means
from recbole_a2d.safe_write import replaced_file, require_writable
from recbole_a2d.trainer import SessionTrainer

BATCH = 100
"""Rows ranked together in the audit: the batch of the public code of this line."""
DIM = 100


class OrderedLoader(PrefixLoader):
    """Serves every row once: in ``file`` order (prefixes of a session side by side) or shuffled.

    The loader that results are made with sorts rows by length instead, which is quickest;
    for a model whose scores do not depend on the batch all three are the same.
    """

    def __init__(
        self, rows: PrefixRows, order: str, batch_size: int = BATCH, seed: int = 0
    ) -> None:
        super().__init__(rows, batch_size, shuffle=False, seed=seed)
        if order not in ORDERS:
            raise ValueError(f"order '{order}' is unknown: {' or '.join(ORDERS)}")
        self.order = order

    def row_batches(self) -> list[IntArray]:
        """Row numbers of every batch."""
        rows = np.arange(len(self.rows))
        if self.order == "shuffled":
            rows = np.random.default_rng(self.seed).permutation(rows)
        return np.array_split(rows, np.arange(self.batch_size, len(rows), self.batch_size))


# ---------------------------------------------------------------- a trained model, ranked anew


def rank_in_order(
    config: Any, record: records.Record, order: str, command: str
) -> tuple[records.Record, IntArray]:
    """Rank the test rows by a finished run's model, in another order.

    Args:
        config: of the run.
        record: of the run; its tested model must still be in the checkpoint folder.
        order: of :data:`ORDERS`.
        command: for the record.

    Returns:
        The run's record with these figures and what made them, named ``RUN-ORDER_order``, and
        the ranks.

    Raises:
        UserError: the checkpoint is gone.
    """
    started = time.perf_counter()
    dataset, folder = _tested(config, record.run)
    trainer = SessionTrainer(config, build_model(config, record.model, dataset), folder)
    trainer.load_best()
    ranks = trainer.rank(OrderedLoader(dataset.evaluation_rows, order, seed=record.seed))
    changed = dataclasses.replace(
        record,
        run=f"{record.run}-{order}_order",
        test=metrics_from_ranks(ranks, config["topk"]),
        seconds=round(time.perf_counter() - started, 2),
        config=record.config | {"evaluation_order": order, "eval_batch_size": BATCH},
        command=command,
        versions=records.versions(),
        machine=records.machine(torch.get_num_threads()),
        commit=records.source_commit(),
        history=[],
        diagnostics={},
    )
    return changed, ranks


def checkpoint_of_tested_model(config: Any, run: str) -> Path:
    """Folder of the checkpoint whose model made the record."""
    phase = "final" if config["refit"] else "select"
    if config["protocol"] == "test_selected":
        phase = "test_selected"
    return Path(config["checkpoint_dir"]) / run / phase


def _tested(config: Any, run: str) -> tuple[SessionDataset, Path]:
    data = ExperimentData(read_atomic(dataset_folder(config)), config)
    folder = checkpoint_of_tested_model(config, run)
    return (data.unrefitted if folder.name == "select" else data.final), folder


# ---------------------------------------------------------------- what chance alone would see


def write_label_shares(config: Any) -> Path:
    """Measure :func:`label_shares` of a whole data set and keep it in ``RESULTS/leak``.

    Does nothing where that is there already, for the same R; whatever share of the sessions the
    configuration trains on.

    Args:
        config: settings of the model that the audit is about; ``bank_neighbors`` is R.

    Raises:
        UserError: the data set is missing or damaged, or the folder cannot be written to.
    """
    whole = {key: config[key] for key in ("dataset", "MAX_ITEM_LIST_LENGTH")}
    data = ExperimentData(read_atomic(dataset_folder(config)), whole | {"train_fraction": 1.0})
    results, neighbors = Path(config["results_dir"]), config["bank_neighbors"]
    name = str(config["dataset"]), data.fingerprint()
    path = shares_path(results, *name, neighbors)
    if neighbors in read_label_shares(results, *name):
        return path
    require_writable(path.parent, "--results_dir")
    content = {
        "dataset": name[0],
        "data_fingerprint": name[1],
        "neighbors": neighbors,
        "batch": BATCH,
        "commit": records.source_commit(),
        "shares": label_shares(data.final, neighbors),
    }
    with replaced_file(path) as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def label_shares(
    dataset: SessionDataset, neighbors: int, batch: int = BATCH, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Share of test rows whose target stands in a near session, by RANDOM item vectors.

    Nothing is learned here, so what exceeds the share of the training bank is the leak of
    the construction itself.

    Args:
        dataset: training sessions and test rows.
        neighbors: R, how many nearest rows or sessions a row sees.
        batch: rows ranked together.
        seed: of the vectors and of the shuffled order.

    Returns:
        ``{bank: {order: share}}``; the training bank has the order ``any``.
    """
    vectors = random_vectors(dataset.n_items, seed)
    rows = dataset.evaluation_rows
    shares: dict[str, dict[str, float]] = {}
    for bank, masked in (("batch_leaky", False), ("batch_masked", True)):
        shares[bank] = {
            order: _batch_share(
                OrderedLoader(rows, order, batch, seed), vectors, neighbors, masked=masked
            )
            for order in ORDERS
        }
    shares["train"] = {"any": _training_share(dataset, vectors, neighbors)}
    return shares


def random_vectors(n_items: int, seed: int = 0) -> Tensor:
    """Standard normal item vectors, the pad's zero, ``[n_items, DIM]``."""
    vectors = torch.randn(n_items, DIM, generator=torch.Generator().manual_seed(seed))
    vectors[0] = 0.0
    return vectors


def _batch_share(loader: OrderedLoader, vectors: Tensor, neighbors: int, *, masked: bool) -> float:
    found = 0
    for batch in progress(loader, f"{loader.order} order", len(loader)):
        prefixes, targets = batch["item_id_list"], batch["item_id"]
        nearest, allowed = nearest_rows(
            _means(prefixes, vectors), batch["session_id"] if masked else None, neighbors
        )
        holds = (prefixes[nearest] == targets[:, None, None]).any(2) & allowed
        found += int((holds.any(1) & (targets > 0)).sum())
    return found / max(len(loader.rows), 1)


def nearest_rows(queries: Tensor, sessions: Tensor | None, neighbors: int) -> tuple[Tensor, Tensor]:
    """The nearest other rows of a batch by cosine.

    Args:
        queries: mean vectors, ``[B, D]``.
        sessions: rows of the same session are left out where this is given, ``[B]``.
        neighbors: R.

    Returns:
        Their places and whether each counts (a small batch has fewer), ``[B, R]`` both.
    """
    banned = torch.eye(len(queries), dtype=torch.bool)
    if sessions is not None:
        banned = banned | (sessions.unsqueeze(0) == sessions.unsqueeze(1))
    direction = F.normalize(queries, dim=1)
    similarity = (direction @ direction.T).masked_fill(banned, -torch.inf)
    nearest = similarity.topk(min(neighbors, len(queries)), dim=1)
    return nearest.indices, nearest.values > -torch.inf


def _training_share(dataset: SessionDataset, vectors: Tensor, neighbors: int) -> float:
    items, offsets = torch.from_numpy(dataset.train.items), torch.from_numpy(dataset.train.offsets)
    bank = TrainingSessionBank(items, offsets, vectors.shape[1], neighbors)
    bank.refresh(vectors)
    held = np.unique(dataset.train.session_of_click * dataset.n_items + dataset.train.items)
    rows, found = dataset.evaluation_rows, 0
    for batch in progress(OrderedLoader(rows, "file", 512), "training bank"):
        targets = batch["item_id"]
        nearest = bank.nearest(_means(batch["item_id_list"], vectors))
        keys = (nearest * dataset.n_items + targets.unsqueeze(1)).numpy()
        holds = np.isin(keys, held).any(1) & (targets > 0).numpy()
        found += int(holds.sum())
    return found / max(len(rows), 1)


def _means(prefixes: Tensor, vectors: Tensor) -> Tensor:
    width = prefixes.shape[1]
    offsets = torch.arange(0, prefixes.numel() + 1, width)
    return session_means(vectors, prefixes.reshape(-1), offsets)
