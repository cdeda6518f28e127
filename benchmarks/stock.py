"""Stock RecBole's SR-GNN, stepped in a process of its own.

Our trainer changes the process it runs in (:mod:`recbole_a2d.process`) and turns anomaly detection
off; who runs stock RecBole has none of that. So the stock step gets a fresh interpreter
that imports nothing of ours, and makes one step for each line it is sent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model

READ_PREFIXES = {
    "USER_ID_FIELD": "session_id",
    "ITEM_ID_FIELD": "item_id",
    "load_col": {"inter": ["session_id", "item_id_list", "item_id"]},
    "alias_of_item_id": ["item_id_list"],
    "benchmark_filename": ["prefix_train", "prefix_valid", "prefix_test"],
    "train_neg_sample_args": None,
    "eval_args": {"mode": "full", "order": "TO"},
    "show_progress": False,
    "use_gpu": False,
    "state": "ERROR",
}
"""What makes stock RecBole read the rows that ``convert --prefixes`` writes, silently."""
_DONE = "done"


@contextmanager
def stock_step(
    folder: Path, *, train_batch_size: int, embedding_size: int
) -> Iterator[Callable[[], None]]:
    """A step of stock SRGNN: its own model, loader, Adam and process, float32.

    Args:
        folder: data set with the prefix rows that stock RecBole reads.
        train_batch_size: rows in a step.
        embedding_size: size of the vectors.
    """
    sizes = [str(train_batch_size), str(embedding_size)]
    command = [sys.executable, "-m", "benchmarks.stock", str(folder), *sizes]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        lines_in, lines_out = process.stdin, process.stdout

        def step() -> None:
            lines_in.write("step\n")
            lines_in.flush()
            if lines_out.readline().strip() != _DONE:
                raise RuntimeError("the process that makes stock RecBole's steps has ended")

        yield step


def stock_config(folder: Path, **sizes: int) -> Config:
    """Stock RecBole's configuration for the prefix rows."""
    settings = READ_PREFIXES | {"data_path": str(folder.parent)} | sizes
    return Config(model="SRGNN", dataset=folder.name, config_dict=settings)


def _steps(config: Config) -> Iterator[None]:
    """Does one step each time the next element is asked for, without end."""
    dataset = create_dataset(config)
    train_data: Any = data_preparation(config, dataset)[0]
    model = get_model(config["model"])(config, train_data.dataset)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    model.train()
    while True:
        for interaction in train_data:
            optimizer.zero_grad()
            loss = model.calculate_loss(interaction)
            loss.backward()
            optimizer.step()
            yield


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("train_batch_size", type=int)
    parser.add_argument("embedding_size", type=int)
    given = parser.parse_args()
    del sys.argv[1:]  # RecBole's configuration would look there for its settings
    # Stock RecBole warns of its own use of pandas, page after page; and it prints.
    warnings.filterwarnings("ignore", module="recbole")
    answers, sys.stdout = sys.stdout, sys.stderr
    steps = _steps(stock_config(**vars(given)))
    for _ in sys.stdin:
        next(steps)
        print(_DONE, file=answers, flush=True)


if __name__ == "__main__":
    _main()
