"""Rows a second of training in one process and in several.

::

    python -m benchmarks.parallel
    torchrun --nproc_per_node 2 -m benchmarks.parallel

Made-up sessions of Diginetica's size, or a converted data set with ``--data FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path

import torch

from benchmarks.data import generated
from benchmarks.steps import model_step
from benchmarks.timing import medians_in_turn
from recbole_a2d import distributed

STEPS = 12


def main() -> None:
    """Measure and print, once for all processes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of a converted data set")
    parser.add_argument("--batch", type=int, default=512, help="rows of a process (512)")
    given = parser.parse_args()
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    with nullcontext() if alone else distributed.joined(), tempfile.TemporaryDirectory() as place:
        folder = given.data or generated(Path(place) / "made-up")
        seconds = step_seconds(folder, given.batch)
        if distributed.is_first():
            rows = given.batch * distributed.size()
            print(
                f"{distributed.size()} processes of {torch.get_num_threads()} threads: "
                f"{1e3 * seconds:.0f} ms for a step of {rows} rows, {rows / seconds:.0f} rows/s"
            )


def step_seconds(folder: Path, batch: int) -> float:
    """Median seconds of a step, at whose end the processes have waited for each other."""
    step = model_step(folder, "A2DMTL", train_batch_size=batch)
    return medians_in_turn({"": step}, STEPS)[""]


if __name__ == "__main__":
    main()
