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
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.__main__ import FLOOR, OWN_FLOOR
from benchmarks.data import experiment_data, settings
from benchmarks.pieces import pieces
from benchmarks.steps import PlainFloor, Step, floor_step, model_step
from recbole_a2d import process
from recbole_a2d.experiment import build_model
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
        jobs = {FLOOR: floor_step(given.data, PlainFloor, **size)}
        jobs |= {OWN_FLOOR: floor_step(given.data, **size)}
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
