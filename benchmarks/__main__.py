"""``make bench``: the figures of "Where it stands" in docs/performance.md, in one run.

The page names the commands that make its other tables.

``python -m benchmarks [--data FOLDER] [--out FILE] [--repeats N]``; without ``--data`` it
makes up sessions of Diginetica's size and shape.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from recbole.data import create_dataset, data_preparation

from benchmarks.data import experiment_data, generated, settings, with_prefixes
from benchmarks.memory import peak_of_training
from benchmarks.ranking import OWN_BARE, ranking_jobs
from benchmarks.steps import PlainFloor, Step, floor_step, model_step
from benchmarks.stock import stock_config, stock_step
from benchmarks.timing import Figure, at_least, at_most, medians_in_turn, ratio
from recbole_a2d.precision import choose_precision
from recbole_a2d.records import machine

LARGE = {"train_batch_size": 100, "embedding_size": 256}
WIDE = {"train_batch_size": 512, "embedding_size": 100}
FLOOR, OWN_FLOOR = "floor step", "floor step with our loss"


def main() -> None:
    """Run everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of a converted data set")
    parser.add_argument("--out", type=Path, default=Path("results/bench.json"))
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    figures = []
    # Stock RecBole warns of its own use of pandas, page after page.
    warnings.filterwarnings("ignore", module="recbole")
    print(f"| figure | value | goal | |   ({describe_machine()})\n| --- | ---: | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        folder = given.data or generated(Path(place) / "made-up")
        for figure in all_figures(folder, Path(place), given.repeats):
            figures.append(figure.as_dict())
            print(
                f"| {figure.name} | {figure.value:.2f} | {figure.goal} | {figure.mark} |",
                flush=True,
            )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": describe_machine(), "data": folder.name, "figures": figures}
    given.out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nwritten to {given.out}")


def all_figures(folder: Path, place: Path, repeats: int) -> Iterator[Figure]:
    """The figures, one by one as they are ready."""
    large = large_steps(folder, repeats)
    yield from over_floors("batch 100, dim 256", large)
    wide = medians_in_turn(floors_and_ours(folder, **WIDE), repeats)
    yield from over_floors("batch 512, dim 100", wide)
    yield at_least("stock SR-GNN / A2D-MTL step", "stock SR-GNN", "A2D-MTL", 4, large)
    yield at_least("stock SR-GNN / our SR-GNN step", "stock SR-GNN", "SR-GNN", 5, large)
    yield loading(folder)
    jobs, rows = ranking_jobs(folder)
    ranked = medians_in_turn(jobs, 3, warm_up=1)
    what = f"evaluation of {rows:,} rows"
    yield at_most(f"{what} / bare cost", "evaluation", "bare", 1.3, ranked)
    yield ratio(f"{what} / {OWN_BARE}", "evaluation", OWN_BARE, ranked)
    peak = peak_of_training(folder)
    yield Figure("peak memory of training, GiB", peak, "<= 2.5", peak <= 2.5, {"GiB": peak})
    yield from growth(place, max(3, repeats // 3))


def floors_and_ours(folder: Path, **sizes: int) -> dict[str, Step]:
    """Steps of both floors and of A2D-MTL."""
    return {
        FLOOR: floor_step(folder, PlainFloor, **sizes),
        OWN_FLOOR: floor_step(folder, **sizes),
        "A2D-MTL": model_step(folder, "A2DMTL", **sizes),
    }


def over_floors(sizes: str, medians: dict[str, float]) -> Iterator[Figure]:
    """A2D-MTL's step against both floors."""
    yield at_most(f"A2D-MTL / {FLOOR}, {sizes}", "A2D-MTL", FLOOR, 1.5, medians)
    yield ratio(f"A2D-MTL / {OWN_FLOOR}, {sizes}", "A2D-MTL", OWN_FLOOR, medians)


def large_steps(folder: Path, repeats: int) -> dict[str, float]:
    """Median steps at batch 100 and dimension 256: floors, ours, stock RecBole's."""
    jobs = floors_and_ours(folder, **LARGE) | {"SR-GNN": model_step(folder, "SRGNN", **LARGE)}
    with stock_step(with_prefixes(folder), **LARGE) as stock:
        return medians_in_turn(jobs | {"stock SR-GNN": stock}, repeats)


def loading(folder: Path) -> Figure:
    """Stock RecBole's reading of the prefix rows against ours of the clicks."""
    config = stock_config(with_prefixes(folder), **WIDE)
    ours = settings(folder, "A2DMTL")

    def stock() -> None:
        data_preparation(config, create_dataset(config))

    def session_dataset() -> None:
        rows = experiment_data(folder, ours).select
        len(rows.train_rows), len(rows.evaluation_rows)

    medians = medians_in_turn({"stock": stock, "ours": session_dataset}, 3, warm_up=0)
    return at_least("stock load / SessionDataset load", "stock", "ours", 10, medians)


def growth(place: Path, repeats: int) -> Iterator[Figure]:
    """Step time at more items (should grow with them) and at more sessions (should not)."""
    base = generated(place / "once")
    grown = {
        "2x items": generated(place / "items2", items=2),
        "4x items": generated(place / "items4", items=4),
        "4x sessions": generated(place / "sessions4", sessions=4),
    }
    jobs = {"1x": model_step(base, "A2DMTL")}
    jobs |= {name: model_step(folder, "A2DMTL") for name, folder in grown.items()}
    medians = medians_in_turn(jobs, repeats)
    yield at_most("step at 2x items / 1x", "2x items", "1x", 2.2, medians)
    yield at_most("step at 4x items / 1x", "4x items", "1x", 4.4, medians)
    yield at_most("step at 4x sessions / 1x", "4x sessions", "1x", 1.1, medians)


def describe_machine() -> str:
    """Processor, cores, threads and what our training multiplies in."""
    precision = choose_precision("auto", torch.device("cpu"))
    facts = machine(torch.get_num_threads(), precision)
    text = "{processor}, {cores} cores, {threads} threads, torch {torch}, products in {precision}"
    return text.format(**facts, torch=torch.__version__)


if __name__ == "__main__":
    main()
