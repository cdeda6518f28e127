"""``demo``: from the embedded shop to a table and a page, in a few minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recbole_a2d.benchmark.report import write_report
from recbole_a2d.benchmark.table import comparable, markdown_table
from recbole_a2d.command_line import refuse_options, split_pairs
from recbole_a2d.config import build_config
from recbole_a2d.data.manifest import read_manifest
from recbole_a2d.experiment import run_experiment
from recbole_a2d.records import read_records

HELP = """usage: run_recbole_a2d.py demo [--out DIR]

Makes the synthetic shop anew, trains A2D-MTL, its variant without categories, GRU4Rec,
STAMP and SR-GNN, ranks VSKNN beside them, prints the table and writes the page
(default out: results/demo)."""

RUNS = (
    ("VSKNN", "full"),
    ("A2DMTL", "full"),
    ("A2DMTL", "wo_cate"),
    ("GRU4Rec", "full"),
    ("STAMP", "full"),
    ("SRGNN", "full"),
)


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    given = dict(split_pairs(arguments, frozenset({"help"})))
    if "help" in given:
        print(HELP)
        return
    folder = Path(given.pop("out", "results/demo"))
    refuse_options(given, "demo")
    data = folder / "data"
    _convert(data / "shop")
    with tempfile.TemporaryDirectory() as checkpoints:
        for model, variant in RUNS:
            places = {
                "data_path": str(data),
                "results_dir": str(folder),
                "checkpoint_dir": checkpoints,
            }
            config = build_config(model, "shop", overrides={"variant": variant} | places)
            run_experiment(config, model)
    records = list(read_records(folder))
    print("\n\n".join(markdown_table(group) for group in comparable(records)))
    print(_best_reachable(data / "shop"))
    print(f"\npage: {write_report(folder, folder / 'report.html')}")


def _convert(out: Path) -> None:
    from recbole_a2d import convert

    convert.main(["shop", "--out", str(out)])


def _best_reachable(folder: Path) -> str:
    manifest = read_manifest(folder / f"{folder.name}.json")
    best = (manifest.best if manifest else None) or {}
    figures = ", ".join(f"{name} {100 * value:.2f}" for name, value in best.items())
    return f"\nBest reachable on these test rows, by the shop's own rules: {figures}"
