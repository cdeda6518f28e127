"""Training step of every trained model against the floor step, side by side in one run.

``python -m benchmarks.models --data FOLDER [--models A,B] [--batches N] [--out FILE]``: batch 512,
dimension 100, the settings each model has for the data. All models see the same batches, spread
evenly over the lengths of the training prefixes, so that the mean step is that of an epoch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.__main__ import FLOOR, OWN_FLOOR, WIDE, describe_machine
from benchmarks.data import experiment_data, settings
from benchmarks.steps import Floor, PlainFloor, Step, step_of
from benchmarks.timing import seconds_in_turn
from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray
from recbole_a2d.experiment import build_model
from recbole_a2d.registry import trained_models

FLOORS: dict[str, type[PlainFloor]] = {FLOOR: PlainFloor, OWN_FLOOR: Floor}
CLOCKS = {False: (time.perf_counter, "seconds"), True: (time.process_time, "processor seconds")}
LIMIT = 4.0
WIDER_LIMIT = {"MSGIFSR": 8.0, "MiaSRec": 8.0, "MGS": 8.0}
"""Models that score the items several times, or go round their graphs several times."""


@dataclass(frozen=True)
class EvenRows:
    """So many batches of rows, spread evenly over the rows' lengths; stands for all of them.

    Attributes:
        rows: all training rows.
        count: rows to take, at most all.
    """

    rows: PrefixRows
    count: int

    @cached_property
    def chosen(self) -> IntArray:
        """Numbers of the rows taken, ``[count]``."""
        by_length = np.argsort(self.rows.lengths, kind="stable")
        places = np.linspace(0, len(by_length) - 1, min(self.count, len(by_length)))
        return by_length[places.astype(np.int64)]

    @property
    def lengths(self) -> IntArray:
        """Clicks of each prefix, ``[count]``."""
        return self.rows.lengths[self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def batch(self, numbers: IntArray) -> Any:
        """As :meth:`PrefixRows.batch`, of the rows taken."""
        return self.rows.batch(self.chosen[numbers])


@dataclass(frozen=True)
class Sample:
    """What a step needs of a data set."""

    train_rows: EvenRows


@dataclass(frozen=True)
class StepTime:
    """One line of the table.

    Attributes:
        model: name in the registry.
        step: mean seconds of a step.
        ratio: to the floor step's.
        limit: what the ratio should not be above.
        epoch: seconds of an epoch of the training rows.
    """

    model: str
    step: float
    ratio: float
    limit: float
    epoch: float

    def __str__(self) -> str:
        mark = "yes" if self.ratio <= self.limit else "NO"
        return (
            f"| {self.model} | {1000 * self.step:.0f} | {self.ratio:.2f} | {self.limit:g} "
            f"| {mark} | {self.epoch:.0f} |"
        )


def step_times(
    folder: Path, models: Sequence[str], batches: int, clock: Callable[[], float]
) -> list[StepTime]:
    """Time the models' steps, the floors' first, on so many batches."""
    rows = experiment_data(folder, settings(folder, "A2DMTL", **WIDE)).select.train_rows
    jobs = {name: sampled_step(folder, name, batches) for name in (*FLOORS, *models)}
    seconds = seconds_in_turn(jobs, batches, clock=clock)
    means = {name: statistics.fmean(taken) for name, taken in seconds.items()}
    steps = -(-len(rows) // WIDE["train_batch_size"])
    return [
        StepTime(
            model=name,
            step=mean,
            ratio=mean / means[FLOOR],
            limit=1.0 if name in FLOORS else WIDER_LIMIT.get(name, LIMIT),
            epoch=steps * mean,
        )
        for name, mean in means.items()
    ]


def sampled_step(folder: Path, name: str, batches: int) -> Step:
    """A step of a model, or of a floor, on batches of all lengths."""
    config = settings(folder, "A2DMTL" if name in FLOORS else name, **WIDE)
    dataset = experiment_data(folder, config).select
    torch.manual_seed(0)
    if name in FLOORS:
        model: torch.nn.Module = FLOORS[name](dataset.n_items, WIDE["embedding_size"])
    else:
        model = build_model(config, name, dataset)
    sample: Any = Sample(EvenRows(dataset.train_rows, batches * WIDE["train_batch_size"]))
    return step_of(model, config, sample)


def main() -> None:
    """Time all models, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of a converted data set")
    parser.add_argument("--models", help="names, comma-separated; all trained models by default")
    parser.add_argument("--batches", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("results/bench-models.json"))
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count processor time, for a machine that is busy with other work; one thread",
    )
    given = parser.parse_args()
    if given.processor_time:
        torch.set_num_threads(1)
    clock, unit = CLOCKS[given.processor_time]
    warnings.filterwarnings("ignore", module="recbole")
    models = given.models.split(",") if given.models else trained_models()
    lines = step_times(given.data, models, given.batches, clock)
    print(f"{given.data.name}, batch 512, dimension 100, {unit} ({describe_machine()})\n")
    print("| model | step, ms | floors | goal | reached | s/epoch |\n|---|---:|---:|---:|---|---:|")
    print("\n".join(map(str, lines)))
    content = {
        "machine": describe_machine(),
        "data": given.data.name,
        "unit": unit,
        "batches": given.batches,
        "models": [asdict(line) for line in lines],
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nwritten to {given.out}")


if __name__ == "__main__":
    main()
