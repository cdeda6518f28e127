"""Peak memory of a training process of its own."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes.

    From ``/proc`` where there is one: Linux's ``getrusage`` starts a process with the peak of
    the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_of_training(folder: Path, steps: int = 60) -> float:
    """Peak resident memory in GiB: data loading, so many A2D-MTL steps, one ranking."""
    command = [sys.executable, "-m", "benchmarks.memory", str(folder), str(steps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("steps", type=int)
    given = parser.parse_args()
    from benchmarks.data import experiment_data, settings
    from benchmarks.steps import step_of
    from recbole_a2d.experiment import build_model
    from recbole_a2d.trainer import SessionTrainer, loader

    config = settings(given.folder, "A2DMTL")
    dataset = experiment_data(given.folder, config).select
    model = build_model(config, "A2DMTL", dataset)
    step = step_of(model, config, dataset)
    for _ in range(given.steps):
        step()
    SessionTrainer(config, model).rank(loader(dataset.evaluation_rows, config, train=False))
    print(peak_memory() / 2**30)


if __name__ == "__main__":
    _main()
