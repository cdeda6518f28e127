"""Fitting and ranking of the methods without parameters.

``python -m benchmarks.neighbours --data FOLDER``: seconds to count the training sessions
(train and valid) and to rank the test rows, one method after another.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.__main__ import describe_machine
from benchmarks.data import experiment_data, settings
from recbole_a2d.experiment import build_model
from recbole_a2d.model_list import MODELS
from recbole_a2d.registry import trained_models
from recbole_a2d.trainer import SessionTrainer, loader

FIT_LIMIT, RANK_LIMIT = 30, 180
Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds that a piece of work takes, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def fit_and_rank(folder: Path, model: str) -> tuple[float, float]:
    """Seconds of fitting and of ranking, the reading of the data left out."""
    config = settings(folder, model)
    dataset = experiment_data(folder, config).final
    rows = loader(dataset.evaluation_rows, config, train=False)
    fit, fitted = timed(lambda: SessionTrainer(config, build_model(config, model, dataset)))
    rank, _ = timed(lambda: fitted.rank(rows))
    return fit, rank


def main() -> None:
    """Time all methods and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of a converted data set")
    given = parser.parse_args()
    trained = trained_models()
    print(f"{given.data.name} ({describe_machine()})\n")
    print("| method | fitting, s | ranking, s | reached |\n| --- | ---: | ---: | --- |")
    for model in (name for name in MODELS if name not in trained):
        fit, rank = fit_and_rank(given.data, model)
        mark = "yes" if fit <= FIT_LIMIT and rank <= RANK_LIMIT else "NO"
        print(f"| {model} | {fit:.1f} | {rank:.1f} | {mark} |", flush=True)


if __name__ == "__main__":
    main()
