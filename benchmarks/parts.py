"""Where a training step goes: processor time, least of several turns, of one thread.

``python -m benchmarks.parts --data FOLDER [--repeats N]`` prints the tables of
docs/performance.md. Processor time and not the clock's, so that a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.data import experiment_data, settings
from benchmarks.steps import Step, floor_step, model_step
from recbole_a2d import process
from recbole_a2d.experiment import build_model
from recbole_a2d.layers.edge_scores import edge_scores
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.layers.recurrence import gated_recurrence
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.precision import choose_precision
from recbole_a2d.trainer import SessionTrainer, loader

SIZES = ((512, 100), (100, 256))
WITHOUT: dict[str, dict[str, Any]] = {
    "A2D-MTL": {},
    "w/o item graph": {"item_graph": False},
    "w/o own items": {"mix_own_items": False},
    "w/o sparse attention": {"intra": "mean"},
    "w/o categories": {"categories": "none"},
    "dot for cosine": {"score": "dot"},
}
ITEMS, EDGES, NODES = 43_027, 31_600, 996


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of a converted data set")
    parser.add_argument("--repeats", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    _print_denormals(given.repeats)
    _print_memory(given.data, given.repeats)
    for batch, dim in SIZES:
        size = {"train_batch_size": batch, "embedding_size": dim}
        jobs = {"floor": floor_step(given.data, **size)}
        jobs |= {name: model_step(given.data, "A2DMTL", **size, **c) for name, c in WITHOUT.items()}
        jobs["A2D-MTL, anomaly detection on"] = watched(given.data, **size)
        _print(f"step, batch {batch}, dim {dim}", _least_in_turn(jobs, given.repeats))
        _print(
            f"pieces, batch {batch}, dim {dim}", _least_in_turn(pieces(batch, dim), given.repeats)
        )


def _print_denormals(repeats: int) -> None:
    """A small product with a matrix of which 8 % are denormal, as they are and as zeros."""
    torch.set_flush_denormal(False)
    clicks, weights = torch.randn(2560, 100), torch.randn(100, 100)
    weights[torch.rand(100, 100) < 0.08] *= 1e-39

    def product(flushed: bool) -> Step:
        def step() -> Tensor:
            torch.set_flush_denormal(flushed)
            return clicks @ weights

        return step

    jobs = {"computed with": product(False), "taken for zero": product(True)}
    _print("8 % denormal numbers", _least_in_turn(jobs, repeats))


def _print_memory(folder: Path, repeats: int) -> None:
    """The floor step with and without the memory kept, in processes of their own."""
    print("| floor step, batch 100, dim 256 | ms | page faults |\n| --- | ---: | ---: |")
    for name, kept in (("memory given back", False), ("memory kept", True)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, faults = pool.apply(_floor_cost, (folder, repeats, kept))
        print(f"| {name} | {1000 * seconds:.0f} | {faults:.0f} |", flush=True)
    print()


def _floor_cost(folder: Path, repeats: int, kept: bool) -> tuple[float, float]:
    """Median processor seconds and page faults of a floor step."""
    torch.set_num_threads(1)
    with nullcontext() if kept else mock.patch.object(process, "keep_freed_memory"):
        step = floor_step(folder, train_batch_size=100, embedding_size=256)
    seconds, faults = [], []
    for _ in range(repeats + 2):
        before, started = _page_faults(), time.process_time()
        step()
        seconds.append(time.process_time() - started)
        faults.append(_page_faults() - before)
    return statistics.median(seconds[2:]), statistics.median(faults[2:])


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def watched(folder: Path, **size: Any) -> Step:
    """A step with autograd's anomaly detection, as importing RecBole's models leaves it."""
    config = settings(folder, "A2DMTL", **size)
    dataset = experiment_data(folder, config).select
    watcher = SessionTrainer(config, build_model(config, "A2DMTL", dataset))
    batch = next(iter(loader(dataset.train_rows, config, train=True)))
    watcher.model.train()

    def step() -> None:
        with torch.autograd.set_detect_anomaly(True):
            watcher._plain_step(batch, watcher.calculate_loss)

    return step


def pieces(batch: int, dim: int) -> dict[str, Step]:
    """Forward and backward of our large pieces, each beside what autograd makes of it."""
    table, sessions = _leaf(ITEMS + 1, dim), _leaf(batch, dim)
    low = choose_precision("auto", torch.device("cpu")) == torch.bfloat16
    targets = torch.randint(1, ITEMS + 1, (batch,))
    centers, neighbors, u, a = _leaf(NODES, dim), _leaf(NODES, dim), _leaf(dim), _leaf(dim)
    center, neighbor = torch.randint(NODES, (2, EDGES)).unbind()
    center, weights = center.sort().values, torch.rand(EDGES)

    clicks, gru = _leaf(batch, 5, dim), torch.nn.GRU(3 * dim, dim, batch_first=True)
    whole, parts = _leaf(batch, 5, 3 * dim), gru.weight_ih_l0.chunk(3, dim=1)

    def recurrence() -> Tensor:
        inputs = F.linear(clicks, parts[0]) + F.linear(whole[0, :, :dim], parts[1])
        inputs = inputs + F.linear(whole[:, :1, :dim], parts[2], gru.bias_ih_l0)
        return gated_recurrence(inputs.transpose(0, 1), gru.weight_hh_l0, gru.bias_hh_l0).sum()

    def cosine_loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            return full_softmax_loss(sessions, table, targets, unit_items=True)

    def softmax_loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            return full_softmax_loss(sessions, table, targets)

    def cross_entropy() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            return F.cross_entropy(F.linear(sessions, table[1:]), targets - 1)

    def linear_cross_entropy(chunked: bool) -> Tensor:
        options = torch.nn.LinearCrossEntropyOptions() if chunked else None
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            return F.linear_cross_entropy(sessions, table[1:], targets - 1, options=options)

    def plain_edges() -> Tensor:
        hidden = centers[center] + neighbors[neighbor] + weights.unsqueeze(1) * u
        return (F.leaky_relu(hidden, 0.2) @ a).sum()

    def edges() -> Tensor:
        scores = edge_scores(centers, neighbors, center, neighbor, weights, u, a, 0.2)
        return scores.sum()

    losses = {
        "softmax loss": softmax_loss,
        "F.linear + F.cross_entropy": cross_entropy,
        "F.linear_cross_entropy": lambda: linear_cross_entropy(False),
        "F.linear_cross_entropy, chunked": lambda: linear_cross_entropy(True),
        "softmax loss, cosine": cosine_loss,
        "GRU of 5 clicks, inputs [c; position; length]": recurrence,
        "the same by torch.nn.GRU": lambda: gru(whole)[0].sum(),
        "dropout": lambda: FastDropout(0.3)(clicks).sum(),
        "F.dropout": lambda: F.dropout(clicks, 0.3).sum(),
        "unit rows": lambda: (unit_rows(table) * table.detach()).sum(),
        "F.normalize": lambda: (F.normalize(table, dim=1) * table.detach()).sum(),
        f"{EDGES:,} edge scores": edges,
        "the same by autograd": plain_edges,
    }
    return {name: _backward(loss) for name, loss in losses.items()}


def _leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


def _backward(loss: Callable[[], Tensor]) -> Step:
    return lambda: loss().backward()


def _least_in_turn(jobs: Mapping[str, Step], repeats: int) -> dict[str, float]:
    """Milliseconds of processor time, the jobs one after another, the first turn left out."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats + 1):
        for name, job in jobs.items():
            started = time.process_time()
            job()
            found[name].append(1000 * (time.process_time() - started))
    return {name: min(times[1:]) for name, times in found.items()}


def _print(title: str, milliseconds: Mapping[str, float]) -> None:
    print(f"| {title} | ms |\n| --- | ---: |")
    for name, value in milliseconds.items():
        print(f"| {name} | {value:.0f} |")
    print(flush=True)


if __name__ == "__main__":
    main()
