"""What clicks and items cost A2D-MTL on this machine, and what larger data would.

::

    python -m benchmarks.scaling                                # this machine's table, as the one
                                                                # of docs/scaling.md
    python -m benchmarks.scaling --clicks 1e8 --items 1e7       # ... and an estimate
    python -m benchmarks.scaling --candidates 4096              # with a softmax over so many items

Every point is a process of its own on made-up sessions, so many times Diginetica's items and
sessions. A point that ``--out`` holds already of this machine is not measured again, unless
``--again``: then the smaller of both times stays, which is what a machine with other work needs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.__main__ import describe_machine
from benchmarks.data import experiment_data, generated, settings
from benchmarks.memory import peak_memory
from benchmarks.timing import seconds_in_turn
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import build_model
from recbole_a2d.trainer import SessionTrainer, loader

POINTS = "1x1,2x1,4x1,8x1,1x2,1x4,1x8"
GIB = 2**30
STEPS = 5
RANKED = 512
ALIKE = 1e-3
"""Items and clicks that grow together leave a direction this much weaker than the strongest."""


@dataclass(frozen=True)
class Point:
    """What was measured at one size; memory in bytes, times in seconds, the least of some tries.

    Attributes:
        items, clicks, rows: of the training data.
        batch, dim: rows of a step, size of the vectors.
        loading, loading_peak: time and highest memory of reading the data.
        step, optimizer: time of a training step, and Adam's part of it.
        ranking: time of a held-out row.
        peak: highest memory of all.
    """

    items: int
    clicks: int
    rows: int
    batch: int
    dim: int
    loading: float
    loading_peak: int
    step: float
    optimizer: float
    ranking: float
    peak: int


@dataclass(frozen=True)
class Costs:
    """Straight lines through the points: ``cost = fixed + items * per_item (+ clicks * ...)``."""

    step_fixed: float
    step_per_item: float
    optimizer_per_item: float
    ranking_per_item: float
    loading_per_click: float
    loading_bytes_per_click: float
    bytes_fixed: float
    bytes_per_item: float
    bytes_per_click: float

    @classmethod
    def of(cls, points: list[Point]) -> Costs:
        """Least squares over the points.

        Raises:
            UserError: many lines go through the points alike.
        """
        items = np.array([point.items for point in points], float)
        clicks = np.array([point.clicks for point in points], float)
        ones = np.ones(len(points))
        _require_unique_fit(np.stack([ones, items, clicks], 1))

        def line(values: list[float], *columns: np.ndarray) -> list[float]:
            return np.linalg.lstsq(np.stack(columns, 1), np.array(values), rcond=None)[0].tolist()

        step = line([point.step for point in points], ones, items)
        peak = line([point.peak for point in points], ones, items, clicks)
        return cls(
            step_fixed=step[0],
            step_per_item=step[1],
            optimizer_per_item=line([point.optimizer for point in points], ones, items)[1],
            ranking_per_item=line([point.ranking for point in points], ones, items)[1],
            loading_per_click=line([point.loading for point in points], ones, clicks)[1],
            loading_bytes_per_click=line([point.loading_peak for point in points], ones, clicks)[1],
            bytes_fixed=peak[0],
            bytes_per_item=peak[1],
            bytes_per_click=peak[2],
        )


def _require_unique_fit(columns: np.ndarray) -> None:
    strengths = np.linalg.svd(columns / columns.max(0), compute_uv=False)
    if len(columns) < columns.shape[1] or strengths[-1] < ALIKE * strengths[0]:
        raise UserError(
            "no costs can be told from these points: items and clicks must vary, each without the "
            "other, as in --points 1x1,2x1,1x2"
        )


def main() -> None:
    """Measure what is missing, print the table, the costs and, if asked, the estimate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--points", default=POINTS, help=f"ITEMSxSESSIONS, as in {POINTS}")
    parser.add_argument("--out", type=Path, default=Path("results/scaling.json"))
    parser.add_argument("--clicks", type=float, help="estimate for so many training clicks")
    parser.add_argument("--items", type=float, help="... and items")
    parser.add_argument("--candidates", type=int, default=0, help="train_candidates (0: all items)")
    parser.add_argument("--again", action="store_true", help="measure known points once more")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        print(json.dumps(asdict(measure(given.measure, given.candidates))))
        return
    points = all_points(given.points.split(","), given.candidates, given.out, again=given.again)
    print(table(points))
    try:
        costs = Costs.of(points)
        print(cost_lines(costs))
        if given.clicks and given.items:
            print(estimate(costs, points[0], given.clicks, given.items))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


def all_points(names: list[str], candidates: int, out: Path, *, again: bool = False) -> list[Point]:
    """The points of this machine by name, from the file or measured now and added to it."""
    machines = json.loads(out.read_text())["machines"] if out.exists() else {}
    known = machines.setdefault(describe_machine(), {})
    names = [f"{name}:{candidates}" if candidates else name for name in names]
    for name in names:
        if again or name not in known:
            found = measured(name)
            known[name] = {key: min(found[key], known.get(name, found)[key]) for key in found}
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps({"machines": machines}, indent=1) + "\n")
    return [Point(**known[name]) for name in names]


def measured(name: str) -> dict[str, float]:
    """One point, by a process of its own."""
    size, _, candidates = name.partition(":")
    items, sessions = map(int, size.split("x"))
    with tempfile.TemporaryDirectory() as place:
        folder = generated(Path(place) / "made-up", items=items, sessions=sessions)
        command = [sys.executable, "-m", "benchmarks.scaling", "--measure", str(folder)]
        command += ["--candidates", candidates or "0"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(f"{name}: {done.stdout.strip()}", file=sys.stderr, flush=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(folder: Path, candidates: int = 0) -> Point:
    """Load, train some steps, rank some rows."""
    config = settings(folder, "A2DMTL", train_candidates=candidates)
    started = time.perf_counter()
    dataset = experiment_data(folder, config).select
    rows = len(dataset.train_rows)
    loading, loading_peak = time.perf_counter() - started, peak_memory()
    model = build_model(config, "A2DMTL", dataset)
    trainer = SessionTrainer(config, model)
    batches = iter(loader(dataset.train_rows, config, train=True))
    trainer._prepare(0)
    model.train()
    step = least(lambda: trainer._step(next(batches), trainer.calculate_loss))
    optimizer = least(trainer.optimizer.step)
    held_out = dataset.evaluation_rows
    some = held_out.batch(np.linspace(0, len(held_out) - 1, RANKED).astype(np.int64))
    model.eval()
    with torch.no_grad():
        ranking = least(lambda: trainer._rank_batch(some)) / RANKED
    return Point(
        items=dataset.n_items - 1,
        clicks=len(dataset.train.items),
        rows=rows,
        batch=int(config["train_batch_size"]),
        dim=int(config["embedding_size"]),
        loading=loading,
        loading_peak=loading_peak,
        step=step,
        optimizer=optimizer,
        ranking=ranking,
        peak=peak_memory(),
    )


def least(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some tries, the first left out."""
    return min(seconds_in_turn({"": work}, STEPS, warm_up=1)[""])


def table(points: list[Point]) -> str:
    """The points as Markdown."""
    head = (
        "| items | clicks | rows | step, ms | Adam, ms | an epoch, min | ranking, ms a row | "
        "loading, s | loading, GiB | peak, GiB |"
    )
    lines = [head, "| " + " | ".join(["---:"] * 10) + " |"]
    for point in points:
        epoch = point.step * point.rows / point.batch / 60
        lines.append(
            f"| {point.items:,} | {point.clicks:,} | {point.rows:,} | {1e3 * point.step:.0f} | "
            f"{1e3 * point.optimizer:.0f} | {epoch:.1f} | {1e3 * point.ranking:.2f} | "
            f"{point.loading:.1f} | {point.loading_peak / GIB:.2f} | {point.peak / GIB:.2f} |"
        )
    return "\n".join(lines)


def cost_lines(costs: Costs) -> str:
    """The costs, one a line."""
    return "\n".join(
        [
            f"step: {1e3 * costs.step_fixed:.0f} ms and {1e6 * costs.step_per_item:.2f} ms per "
            f"thousand items, of which Adam {1e6 * costs.optimizer_per_item:.2f}",
            f"ranking: {1e9 * costs.ranking_per_item:.2f} ms a row per million items",
            f"loading: {1e6 * costs.loading_per_click:.2f} s and "
            f"{1e6 * costs.loading_bytes_per_click / 2**20:.0f} MiB per million clicks",
            f"memory of training: {costs.bytes_fixed / GIB:.2f} GiB, "
            f"{costs.bytes_per_item:.0f} bytes an item, {costs.bytes_per_click:.0f} a click",
        ]
    )


def estimate(costs: Costs, like: Point, clicks: float, items: float) -> str:
    """What one process would need for larger data with this batch and dimension.

    Raises:
        UserError: less than nothing of something: the points are too few or too noisy.
    """
    needs = {
        "memory": costs.bytes_fixed + costs.bytes_per_item * items + costs.bytes_per_click * clicks,
        "step": costs.step_fixed + costs.step_per_item * items,
        "Adam": costs.optimizer_per_item * items,
        "loading": costs.loading_per_click * clicks,
        "memory of loading": costs.loading_bytes_per_click * clicks,
        "ranking": costs.ranking_per_item * items,
    }
    for name, need in needs.items():
        if need < 0:
            raise UserError(
                f"no estimate: {name} would be below 0; measure more or larger --points, or these "
                "--again"
            )
    steps = clicks * like.rows / like.clicks / like.batch
    return (
        f"{clicks:.0e} clicks, {items:.0e} items: {needs['memory'] / GIB:.0f} GiB, "
        f"step {needs['step']:.1f} s (Adam {needs['Adam']:.1f} s), epoch of {steps:,.0f} steps "
        f"{needs['step'] * steps / 86_400:.1f} days, loading {needs['loading'] / 60:.0f} min and "
        f"{needs['memory of loading'] / GIB:.0f} GiB, ranking {needs['ranking']:.2f} s a row"
    )


if __name__ == "__main__":
    main()
