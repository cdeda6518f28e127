"""How the cells of a grid are run: one after another, or as Ray tasks."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recbole_a2d import records
from recbole_a2d.benchmark.plan import Planned, audit_command, missing_orders
from recbole_a2d.benchmark.suites import Cell
from recbole_a2d.config import SessionConfig
from recbole_a2d.errors import UserError, reason
from recbole_a2d.finished_runs import cut_off, finished_record
from recbole_a2d.lock import claimed, lock_of
from recbole_a2d.ray_cluster import connected, given_gpus, machines, resources
from recbole_a2d.run_names import new_name, standing_name

logger = logging.getLogger("recbole_a2d")


@dataclass(frozen=True)
class Outcome:
    """How a cell ended.

    Attributes:
        run: its name.
        seconds: it took.
        error: one line, empty where all went well.
        trace: of an error that is not the input's fault.
        busy: another process is at it.
        test: its figures.
    """

    run: str
    seconds: float = 0.0
    error: str = ""
    trace: str = ""
    busy: bool = False
    test: dict[str, float] | None = None


def run_cell(cell: Cell, command: str) -> Outcome:
    """Make the record of a cell; whatever goes wrong is told, so that the others still run."""
    run, started = f"{cell.dataset}-{cell.model}", time.perf_counter()
    try:
        config = cell.config()
        run = standing_name(config, cell.model)
        with claimed(lock_of(Path(config["checkpoint_dir"]), run)) as free:
            if not free:
                return Outcome(run, busy=True)
            record = _make_records(cell, config, run, command)
    except UserError as error:
        return Outcome(run, time.perf_counter() - started, str(error))
    except Exception as error:
        told = f"{type(error).__name__}: {reason(error)}"
        return Outcome(run, time.perf_counter() - started, told, traceback.format_exc())
    return Outcome(run, time.perf_counter() - started, test=record.test)


def _make_records(cell: Cell, config: SessionConfig, run: str, command: str) -> records.Record:
    from recbole_a2d.benchmark.leak import checkpoint_of_tested_model, rank_in_order
    from recbole_a2d.experiment import run_experiment

    finished = finished_record(config, run)
    # A record from another machine comes without its checkpoint: the model is made again.
    gone = not (checkpoint_of_tested_model(config, run) / "best.pt").exists()
    wanted = finished is not None and bool(missing_orders(config, finished, cell.orders))
    # ... under the name of today; what was cut off there goes on.
    begun = bool(cut_off(Path(config["checkpoint_dir"]) / new_name(config, cell.model)))
    fresh = wanted and gone and not begun
    record = run_experiment(config, cell.model, fresh=fresh, command=command)
    for order in missing_orders(config, record, cell.orders):
        changed, ranks = rank_in_order(config, record, order, audit_command(cell))
        records.write_record(Path(config["results_dir"]), changed, ranks)
    return record


def one_after_another(cells: Sequence[Planned]) -> Iterator[tuple[Planned, Outcome]]:
    """Run the cells in this process, in order."""
    for planned in cells:
        yield planned, run_cell(planned.cell, planned.command)


def with_ray(
    cells: Sequence[Planned],
    address: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
) -> Iterator[tuple[Planned, Outcome]]:
    """Run the cells as Ray tasks; they come back in the order they end.

    A worker that dies is replaced, and the cell goes on from its last epoch.

    Args:
        cells: to run.
        address: of a running cluster whose machines share this file system; None starts
            Ray on this machine for the while.
        cpus, gpus: of each cell; by default one core, or an equal part of the cores and one GPU
            where the cluster has GPUs.

    Raises:
        UserError: the cluster cannot be reached, or no machine of it has so many.
    """
    with connected(address) as ray:
        given = resources(machines(ray), cpus, gpus)
        logger.info("ray: %s a cell", given)
        demands = {"num_cpus": given.cpus, "num_gpus": given.gpus, "max_retries": 3}
        task = ray.remote(**demands)(run_cell_on_given_gpus)
        waiting = {task.remote(planned.cell, planned.command): planned for planned in cells}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            planned = waiting.pop(done[0])
            yield planned, _outcome(ray, done[0], planned)


def run_cell_on_given_gpus(cell: Cell, command: str) -> Outcome:
    """:func:`run_cell` inside a Ray task, on the GPUs that Ray gave it."""
    return run_cell(replace(cell, settings={**cell.settings, **given_gpus()}), command)


def _outcome(ray: Any, reference: Any, planned: Planned) -> Outcome:
    try:
        outcome: Outcome = ray.get(reference)
    except ray.exceptions.RayError as error:
        return Outcome(planned.run, error=f"the worker died: {' '.join(str(error).split())[:300]}")
    return outcome
