"""``benchmark``: run the grid behind a table or figure, as far as it is not done yet."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole_a2d.benchmark.engines import Outcome, one_after_another, with_ray
from recbole_a2d.benchmark.plan import Planned, duration, left_text, plan, plan_text
from recbole_a2d.benchmark.suites import PLACES, SUITES, Cell, Suite, cells_of
from recbole_a2d.command_line import HELP_WORDS, amount, split_pairs, typed, whole_number
from recbole_a2d.data.phases import dataset_folder
from recbole_a2d.errors import UserError
from recbole_a2d.records import Record, read_records
from recbole_a2d.safe_write import require_writable
from recbole_a2d.yaml_files import read_yamls

logger = logging.getLogger("recbole_a2d")

FLAGS = frozenset({"help", "plan"})
ENGINES = ("local", "ray")

HELP = """usage: run_recbole_a2d.py benchmark SUITE --dataset NAME[,NAME] [OPTIONS]

Runs every cell of a grid that has no record yet. A cell that was cut off goes on from its last
epoch when the same command is given again; one that fails does not stop the others.

suites:
{suites}

  --dataset NAME[,NAME]  folders in dataset_atomic/
  --models A,B           only these; MODEL:VARIANT names a variant (table2, smoke)
  --seeds 1,2            one cell each (default: the seed of the yaml files)
  --preset NAME          cpu (default), paper, original
  --plan                 show what is done and what is left, run nothing
  --engine ray           cells side by side as Ray tasks, on this machine
  --address ADDR         ... on a running cluster that shares this folder (ray start --head)
  --cpus N, --gpus X     ... for each cell; default: as found
  --config FILE, --KEY=VALUE   settings for all cells, as for 'run'"""


@dataclass
class Request:
    """What the command line asks for."""

    suite: Suite
    datasets: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    engine: str = "local"
    address: str | None = None
    cpus: int | None = None
    gpus: float | None = None
    plan_only: bool = False


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    if not HELP_WORDS.isdisjoint(arguments):
        suites = "\n".join(f"  {suite.name:<10}{suite.about}" for suite in SUITES.values())
        print(HELP.format(suites=suites))
        return
    run_benchmark(parse(arguments))


def parse(arguments: Sequence[str]) -> Request:
    """The command line as a request.

    Raises:
        UserError: no or an unknown suite, an unknown engine, a number that is none, no data set, an
            empty name, an option of Ray without it.
    """
    name, *rest = arguments or [""]
    if not name or name.startswith("-"):
        raise UserError(f"which suite? {', '.join(SUITES)}; benchmark --help tells what they do")
    if name not in SUITES:
        raise UserError(f"unknown suite '{name}'; suites: {', '.join(SUITES)}")
    request = Request(SUITES[name])
    for key, value in split_pairs(rest, FLAGS):
        _place(request, key, value)
    if not request.datasets and request.suite.default_dataset:
        request.datasets = [request.suite.default_dataset]
    if not request.datasets:
        raise UserError("--dataset is missing; 'shop' comes with the package")
    for key in ("address", "cpus", "gpus"):
        if getattr(request, key) is not None and request.engine != "ray":
            raise UserError(f"--{key} goes with --engine ray")
    return request


def _place(request: Request, key: str, value: str) -> None:
    if key == "dataset":
        request.datasets = _words(key, value)
    elif key == "models":
        request.models = _words(key, value)
    elif key == "seeds":
        request.seeds = [whole_number(key, word) for word in _words(key, value)]
    elif key == "config":
        request.files.append(Path(value).resolve())
    elif key == "engine":
        request.engine = _one_of(key, value, ENGINES)
    elif key == "address":
        request.address = value
    elif key == "cpus":
        request.cpus = whole_number(key, value, least=1)
    elif key == "gpus":
        request.gpus = amount(key, value)
    elif key == "plan":
        request.plan_only = True
    else:
        request.settings[key] = typed(key, value)


def run_benchmark(request: Request) -> list[Outcome]:
    """Show the plan, run what is left of it, tell how each cell ended.

    Raises:
        UserError: wrong settings or folders that cannot be written to (before anything ran), or
            cells that failed (after all ran).
    """
    cells = _cells(request)
    for cell in _one_a_dataset(cells):
        dataset_folder(cell.config())
    planned = plan(cells, _records(cells))
    print(plan_text(planned), flush=True)
    if request.plan_only:
        return []
    left = [cell for cell in planned if not cell.finished]
    if left:
        _require_places(cells)
    if request.suite.name == "leak":
        _measure_label_shares(cells)
    outcomes = [outcome for _, outcome in _told(_engine(request, left), planned)]
    failed = [f"{outcome.run} ({outcome.error})" for outcome in outcomes if outcome.error]
    if failed:
        raise UserError(f"{len(failed)} of {len(left)} cells failed: {'; '.join(failed)}")
    return outcomes


def _cells(request: Request) -> list[Cell]:
    places = _absolute_places(read_yamls(request.files) | request.settings)
    return [
        cell
        for dataset in request.datasets
        for cell in cells_of(
            request.suite,
            dataset,
            request.models,
            request.seeds,
            request.settings | places,
            tuple(request.files),
        )
    ]


def _absolute_places(settings: dict[str, Any]) -> dict[str, Any]:
    # A Ray worker may stand in another folder than this process.
    places = {key: settings.get(key, default) for key, default in PLACES.items()}
    # What is no path is refused with the other settings.
    return {k: os.path.abspath(v) if isinstance(v, str) else v for k, v in places.items()}


def _require_places(cells: Sequence[Cell]) -> None:
    for key in ("results_dir", "checkpoint_dir"):
        for folder in sorted({str(cell.settings[key]) for cell in cells}):
            require_writable(Path(folder), f"--{key}")


def _records(cells: Sequence[Cell]) -> list[Record]:
    folders = {str(cell.settings["results_dir"]) for cell in cells}
    return [record for folder in sorted(folders) for record in read_records(Path(folder))]


def _one_a_dataset(cells: Sequence[Cell]) -> list[Cell]:
    return list({cell.dataset: cell for cell in cells}.values())


def _measure_label_shares(cells: Sequence[Cell]) -> None:
    from recbole_a2d.benchmark.leak import write_label_shares

    for cell in _one_a_dataset(cells):
        logger.info("%s: how often a neighbour holds the answer by chance", cell.dataset)
        write_label_shares(cell.config())


def _engine(request: Request, left: list[Planned]) -> Iterator[tuple[Planned, Outcome]]:
    if not left:
        return iter(())
    if request.engine == "ray":
        return with_ray(left, request.address, request.cpus, request.gpus)
    return one_after_another(left)


def _told(
    ended: Iterator[tuple[Planned, Outcome]], planned: list[Planned]
) -> Iterator[tuple[Planned, Outcome]]:
    """Say after each cell how it ended, what is left and how long that should take."""
    ended_runs: set[str] = set()
    for cell, outcome in ended:
        ended_runs.add(cell.run)
        left = [other for other in planned if not other.finished and other.run not in ended_runs]
        logger.info("%s: %s", cell.label, _ending(outcome))
        if outcome.trace:
            logger.error("%s", outcome.trace.rstrip())
        if left:
            logger.info("%s", _left([other.cell for other in left], len(planned)))
        yield cell, outcome


def _left(cells: Sequence[Cell], of: int) -> str:
    """What is left of so many cells; what is wrong with a record meanwhile ends no grid."""
    try:
        return left_text(plan(cells, _records(cells)), of)
    except UserError as error:
        return f"{len(cells)} of {of} cells left; no estimate ({error})"


def _ending(outcome: Outcome) -> str:
    if outcome.busy:
        return "another process is at it; left to that one"
    if outcome.error:
        return f"FAILED after {duration(outcome.seconds)}: {outcome.error}"
    test = outcome.test or {}
    figures = "  ".join(
        f"{key} {100 * test[key]:.2f}" for key in ("hit@20", "mrr@20") if key in test
    )
    return f"finished in {duration(outcome.seconds)}  {figures}"


def _words(key: str, value: str) -> list[str]:
    words = [word.strip() for word in value.split(",")]
    if not all(words):
        raise UserError(f"--{key}: '{value}' has an empty place; write A or A,B")
    return words


def _one_of(key: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise UserError(f"--{key}: '{value}' is unknown; choose {' or '.join(known)}")
    return value
