"""What of a grid is done, what is left, and how long that will take."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from recbole_a2d.benchmark.entries import LEAK_KEYS
from recbole_a2d.benchmark.suites import PLACES, Cell
from recbole_a2d.checkpoint import load_checkpoint
from recbole_a2d.config import NOT_A_SETTING, SessionConfig
from recbole_a2d.errors import UserError
from recbole_a2d.finished_runs import cut_off, finished_record
from recbole_a2d.records import Record, read_record, record_path
from recbole_a2d.registry import title
from recbole_a2d.run_names import new_name, standing_name

OF_MODEL = ("data_fingerprint", "epochs", "valid")
"""What the record of an order has from its run, and another training would hardly make again."""


@dataclass(frozen=True)
class Planned:
    """A cell and where it stands.

    Attributes:
        cell: the cell.
        run: its run's name.
        command: that makes this one record.
        finished: whether its record (and that of every order) is there.
        epochs_done: epochs of an unfinished run that are not trained again.
        seconds_left: estimate; None where nothing is known.
    """

    cell: Cell
    run: str
    command: str
    finished: bool
    epochs_done: int
    seconds_left: float | None

    @property
    def label(self) -> str:
        """Data set, model and what sets the cell apart."""
        told = {key: value for key, value in self.cell.settings.items() if key not in NOT_A_SETTING}
        variant = [str(told.pop("variant"))] if "variant" in told else []
        extra = [f"{key}={yaml_word(value)}" for key, value in told.items()]
        return " ".join([self.cell.dataset, title(self.cell.model), *variant, *extra])


def plan(cells: Iterable[Cell], records: Sequence[Record]) -> list[Planned]:
    """Look up every cell; equal cells count once.

    Args:
        cells: of the grid.
        records: finished ones, for the estimates.

    Raises:
        UserError: a cell's settings are wrong, or its record was made from other data, so that
            nothing has run when it is told.
    """
    planned: dict[str, Planned] = {}
    for cell in cells:
        config = cell.config()
        run = standing_name(config, cell.model)
        record = finished_record(config, run)
        finished = record is not None and not missing_orders(config, record, cell.orders)
        # Where a model is made again for an order, it is trained under the name of today.
        names = {run, new_name(config, cell.model)}
        epochs, seconds = (0, 0.0) if finished else _progress(config, names)
        left = 0.0 if finished else _seconds_left(estimate_seconds(records, cell, config), seconds)
        planned[run] = Planned(cell, run, command_of(cell), finished, epochs, left)
    return list(planned.values())


def _seconds_left(estimate: float | None, spent: float) -> float | None:
    """What is left of an estimate; nothing is known of a run that takes longer than its like."""
    return None if estimate is None or spent > estimate else estimate - spent


def command_of(cell: Cell) -> str:
    """The command that makes this one record, paths as seen from here."""
    return _command(["--dataset", cell.dataset, "--model", cell.model], cell, cell.settings)


def audit_command(cell: Cell) -> str:
    """The command that makes the records of a cell's further orders: the audit, as far as is left.

    What the audit varies itself is left out.
    """
    given = {key: value for key, value in cell.settings.items() if key not in LEAK_KEYS}
    return _command(["benchmark", "leak", "--dataset", cell.dataset], cell, given)


def _command(first: Sequence[str], cell: Cell, settings: Mapping[str, Any]) -> str:
    words = ["python", "run_recbole_a2d.py", *first]
    words += [word for path in cell.files for word in ("--config", os.path.relpath(path))]
    for key, value in settings.items():
        place = os.path.relpath(value) if key in PLACES else None
        if place is None or place != PLACES[key]:
            words.append(f"--{key}={place or yaml_word(value)}")
    return shlex.join(words)


def yaml_word(value: Any) -> str:
    """A value as the command line reads it."""
    return str(value) if isinstance(value, str) else json.dumps(value, default=str)


def missing_orders(config: SessionConfig, record: Record, orders: Sequence[str]) -> list[str]:
    """Orders in which the model of a finished run has not been ranked.

    Raises:
        UserError: the record of an order cannot be read.
    """
    return [order for order in orders if not _stands(config, record, order)]


def _stands(config: SessionConfig, record: Record, order: str) -> bool:
    """Whether an order was ranked by this very model, and not by one trained before it anew."""
    path = record_path(Path(config["results_dir"]), f"{record.run}-{order}_order")
    if not path.exists():
        return False
    ranked = read_record(path)
    return all(getattr(ranked, name) == getattr(record, name) for name in OF_MODEL)


def _progress(config: SessionConfig, runs: Iterable[str]) -> tuple[int, float]:
    """Epochs and seconds of a run that was cut off, over its names and phases."""
    epochs, seconds = 0, 0.0
    folders = [Path(config["checkpoint_dir"]) / run for run in sorted(runs)]
    for path in [path for folder in folders for path in cut_off(folder)]:
        try:
            _, facts = load_checkpoint(path)
        except UserError:
            continue  # the run itself will say what is wrong with it
        epochs += len(facts["history"])
        seconds += sum(epoch["seconds"] for epoch in facts["history"])
    return epochs, seconds


def estimate_seconds(records: Sequence[Record], cell: Cell, config: SessionConfig) -> float | None:
    """Seconds a cell should take, from the most alike finished records; None without any.

    The same model on the same data; else the same model on other data, by its rows; else
    the median of all models on the same data; each with the same preset.
    """
    alike = [record for record in records if _same_effort(record, config)]
    rows = [record.train_rows for record in alike if record.dataset == cell.dataset]
    same_model = [record for record in alike if record.model == cell.model]
    here = [record.seconds for record in same_model if record.dataset == cell.dataset]
    if here:
        return mean(here)
    if same_model and rows:
        return mean(record.seconds * rows[0] / max(record.train_rows, 1) for record in same_model)
    trained = _known(cell.model, records)
    there = [r.seconds for r in alike if r.dataset == cell.dataset and trained(r)]
    return median(there) if there else None


def _same_effort(record: Record, config: SessionConfig) -> bool:
    asked = record.config
    return (
        "evaluation_order" not in asked
        and record.preset == config["preset"]
        and asked.get("train_fraction") == config["train_fraction"]
        and (record.epochs == 0 or asked.get("epochs") == config["epochs"])
    )


def _known(model: str, records: Sequence[Record]) -> Callable[[Record], bool]:
    """Only records of the same kind: trained, or merely counted."""
    from recbole_a2d.registry import model_class

    trainable = bool(getattr(model_class(model), "trainable", True))
    return lambda record: (record.epochs > 0) == trainable


def plan_text(planned: Sequence[Planned]) -> str:
    """The plan, one cell a line, and what is left of it."""
    width = max(len(cell.label) for cell in planned)
    lines = [f"  {cell.label:<{width}}  {_state(cell)}" for cell in planned]
    return "\n".join([*lines, left_text(planned)])


def left_text(planned: Sequence[Planned], of: int | None = None) -> str:
    """How many cells are left and how long they should take, one after another.

    Args:
        planned: cells.
        of: how many the whole grid has; None: these.
    """
    left = [cell for cell in planned if not cell.finished]
    count = len(planned) if of is None else of
    if not left:
        return f"all {count} cells are finished"
    known = [cell.seconds_left for cell in left if cell.seconds_left is not None]
    text = f"{len(left)} of {count} cells left"
    if known:
        text += f", about {duration(sum(known))}"
    unknown = len(left) - len(known)
    if unknown:
        text += f"{' and' if known else ','} {unknown} that no finished record tells the time of"
    return text


def _state(cell: Planned) -> str:
    if cell.finished:
        return "finished"
    text = f"{cell.epochs_done} epochs done" if cell.epochs_done else "to do"
    return text if cell.seconds_left is None else f"{text}, about {duration(cell.seconds_left)}"


def duration(seconds: float) -> str:
    """Seconds as people say them: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
