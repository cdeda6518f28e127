"""Time of recommendations: one session at a time, and many against their bare scoring.

::

    python -m benchmarks.recommend_latency --run saved/RUN [--sessions FILE]
    python -m benchmarks.recommend_latency --items 43000      # untrained A2D-MTL, invented shop

FILE holds one session a line, as ``recommend --input`` reads it; without it sessions are drawn
from the run's training sessions.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from recbole_a2d.config import build_config
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.experiment import build_model
from recbole_a2d.recommend import Recommender
from recbole_a2d.recommend_input import read_sessions
from recbole_a2d.saved_run import write_saved_run
from recbole_a2d.training_progress import Progress

SINGLE_LIMIT_MS = 10.0
BATCH_LIMIT = 1.3
SESSIONS = 60_858
"""Test prefixes of Diginetica, so many sessions are asked about."""
TURN = 4096


def main() -> int:
    """Measure and print; exit code 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--run", type=Path, help="folder of a finished run")
    where.add_argument("--items", type=int, help="items of an invented shop, untrained A2D-MTL")
    parser.add_argument("--sessions", type=Path, help="one session a line")
    parser.add_argument("--count", type=int, default=SESSIONS, help=f"sessions ({SESSIONS})")
    parser.add_argument("--singles", type=int, default=200, help="sessions one by one (200)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = args.run or invented(Path(folder) / "final", args.items)
        started = time.perf_counter()
        recommender = Recommender.load(run)
        loaded = time.perf_counter() - started
    sessions = given(args, recommender)
    print(
        f"{recommender.run.name}: {recommender.dataset.n_items - 1} items, "
        f"{torch.get_num_threads()} threads, loaded in {loaded:.2f} s"
    )
    median = single(recommender, sessions[: args.singles])
    ratio = batch(recommender, sessions)
    return int(median > SINGLE_LIMIT_MS or ratio > BATCH_LIMIT)


def given(args: argparse.Namespace, recommender: Recommender) -> list[list[str]]:
    """The sessions to ask about."""
    if args.sessions is not None:
        return read_sessions(str(args.sessions))[: args.count]
    train, names = recommender.dataset.train, recommender.dataset.item_tokens
    drawn = np.random.default_rng(0).integers(0, len(train), args.count)
    return [names[train[number]].tolist() for number in drawn]


def single(recommender: Recommender, sessions: list[list[str]]) -> float:
    """Median milliseconds of one session."""
    for session in sessions[:10]:
        recommender.recommend([session])
    times, busy = [], []
    for session in sessions:
        started, worked = time.perf_counter(), time.process_time()
        recommender.recommend([session])
        times.append(1000 * (time.perf_counter() - started))
        busy.append(1000 * (time.process_time() - worked))
    median, late = statistics.median(times), float(np.quantile(times, 0.95))
    print(
        f"one session: median {median:.2f} ms, 95 % below {late:.2f} ms, "
        f"processor {statistics.median(busy):.2f} ms (limit {SINGLE_LIMIT_MS:g})"
    )
    return median


def batch(recommender: Recommender, sessions: list[list[str]]) -> float:
    """Time of all sessions over that of their bare scores; the two take turns, part by part."""
    bare, whole = Spent(), Spent()
    for start in range(0, len(sessions), TURN):
        part = sessions[start : start + TURN]
        rows = recommender.rows(recommender.code(part))
        bare.add(partial(score_all, recommender, rows))
        whole.add(partial(recommender.recommend, part))
    ratio = whole.seconds / bare.seconds
    print(
        f"{len(sessions)} sessions: {whole.seconds:.2f} s, bare scoring {bare.seconds:.2f} s, "
        f"ratio {ratio:.2f} (limit {BATCH_LIMIT}); processor {whole.processor:.2f} and "
        f"{bare.processor:.2f} s, ratio {whole.processor / bare.processor:.2f}"
    )
    return ratio


def score_all(recommender: Recommender, rows: PrefixRows) -> None:
    """Scores of all items for every row, a batch as a whole as RecBole asks for, thrown away."""
    for part in PrefixLoader(rows, int(recommender.config["eval_batch_size"]), shuffle=False):
        recommender.scores(part)


@dataclass
class Spent:
    """Time of some pieces of work, by the clock and by the processor."""

    seconds: float = 0.0
    processor: float = 0.0

    def add(self, work: Callable[[], object]) -> None:
        """Do one more piece."""
        started, worked = time.perf_counter(), time.process_time()
        work()
        self.seconds += time.perf_counter() - started
        self.processor += time.process_time() - worked


def invented(folder: Path, items: int) -> Path:
    """A saved run of an untrained A2D-MTL over random sessions."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 12, items)
    clicks = random.integers(1, items + 1, int(lengths.sum()))
    clicks[:items] = np.arange(1, items + 1)
    train = Sessions.from_lengths(clicks.astype(np.int64), lengths)
    categories = 1 + random.integers(0, 800, items + 1)
    categories[0] = 0
    names = np.array(["[PAD]", *map(str, range(1, items + 1))], dtype=object)
    kinds = np.array([f"c{number}" for number in range(801)], dtype=object)
    dataset = SessionDataset("invented", train, train.slice(0, 1), names, categories, kinds)
    config = build_config("A2DMTL", "invented", overrides={"show_progress": False})
    model = build_model(config, "A2DMTL", dataset)
    stand_in = SimpleNamespace(model=model, progress=Progress())
    return write_saved_run(folder, "A2DMTL", config, dataset, stand_in)


if __name__ == "__main__":
    sys.exit(main())
