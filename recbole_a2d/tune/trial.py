"""One trial: a model trained and validated; its record grows with every epoch."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from recbole_a2d.checkpoint import load_checkpoint
from recbole_a2d.config import SessionConfig, build_config
from recbole_a2d.data.atomic import AtomicTables
from recbole_a2d.data.phases import ExperimentData
from recbole_a2d.errors import UserError, reason
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.experiment import build_model
from recbole_a2d.record_check import check_fields
from recbole_a2d.registry import model_class
from recbole_a2d.safe_write import replaced_file
from recbole_a2d.trainer import SessionTrainer, loader
from recbole_a2d.training_progress import EpochResult
from recbole_a2d.tune.space import Settings

OnEpoch = Callable[[int, dict[str, float]], None]
RUNNING, DONE, STOPPED, FAILED = "running", "done", "stopped", "failed"
logger = logging.getLogger("recbole_a2d")


@dataclass
class Trial:
    """What is known of one trial.

    Attributes:
        number: from 0.
        settings: values of the searched parameters.
        status: running, done, stopped (by the scheduler) or failed.
        history: validation metrics after every epoch.
        seconds: of training and validation.
        error: why it failed.
    """

    number: int
    settings: dict[str, Any]
    status: str = RUNNING
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def best(self, metric: str) -> tuple[float, int] | None:
        """Best value of a metric and its epoch (from 1); None before the first epoch."""
        if self.status == FAILED or not self.history:
            return None
        values = [epoch[metric] for epoch in self.history]
        return max(values), values.index(max(values)) + 1

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for it.

        A stopped one was marked so when its search ended, and its weights are gone.
        """
        return self.status != RUNNING


@dataclass(frozen=True)
class Task:
    """What every trial of a search shares; goes to other processes as it is.

    Attributes:
        model, dataset: names.
        fixed: settings that are not searched.
        folder: of the search, absolute.
        checkpoints: of the trials in flight, absolute.
    """

    model: str
    dataset: str
    fixed: Settings
    folder: Path
    checkpoints: Path

    def config(self, settings: Settings) -> SessionConfig:
        """Settings of one trial.

        Raises:
            UserError: an unknown key.
        """
        return build_config(self.model, self.dataset, overrides=self.fixed | settings)

    @property
    def metric(self) -> str:
        """The validation metric that is searched for."""
        return str(self.config({})["valid_metric"]).lower()

    def read(self, number: int) -> Trial | None:
        """The record of a trial; None where there is none.

        Raises:
            UserError: it is damaged.
        """
        path = self.path(number)
        if not path.exists():
            return None
        try:
            return _as_trial(json.loads(path.read_text(encoding="utf-8")), number)
        except (OSError, ValueError, RecursionError) as error:
            raise damaged(path, reason(error)) from error

    def write(self, trial: Trial) -> None:
        """Write the record of a trial, whole or not at all."""
        path = self.path(trial.number)
        with replaced_file(path) as beside:
            beside.write_text(json.dumps(asdict(trial), indent=1) + "\n", encoding="utf-8")

    @property
    def begun(self) -> bool:
        """Whether any trial has a record."""
        return any(self.path(0).parent.glob("*.json"))

    def path(self, number: int) -> Path:
        """File of a trial's record."""
        return self.folder / "trials" / f"{number:04d}.json"


def damaged(path: Path, why: str) -> UserError:
    """What to say of a trial's record that is none."""
    return UserError(f"{path}: not a trial ({why}); delete it")


def _as_trial(content: Any, number: int) -> Trial:
    """The trial that a record holds.

    Raises:
        ValueError: it is not as it was written.
    """
    check_fields(content, {one.name: one for one in fields(Trial)})
    trial = Trial(**content)
    if trial.number != number:
        raise ValueError(f"it is of number {trial.number}")
    if trial.status not in (RUNNING, DONE, STOPPED, FAILED):
        raise ValueError(f"status is {trial.status!r}")
    return trial


def without_test(tables: AtomicTables) -> AtomicTables:
    """The tables as if there were no test file: what a search is given instead of the whole.

    Items that only the test sessions hold lose their names as well.
    """
    splits = {name: clicks for name, clicks in tables.splits.items() if name != "test"}
    known = tables.n_training_items
    return replace(
        tables,
        splits=splits,
        item_tokens=tables.item_tokens[:known],
        category_of_code=tables.category_of_code[:known],
        manifest=None,
    )


def run_trial(
    task: Task,
    tables: AtomicTables,
    number: int,
    settings: Settings,
    on_epoch: OnEpoch | None = None,
) -> Trial:
    """Train on train, validate on valid; go on where an earlier try was cut off.

    Settings that a model refuses, or that make it diverge, end as a failed trial.

    Args:
        task: of the search.
        tables: of :func:`without_test`.
        number, settings: of the trial.
        on_epoch: told the epoch (from 1) and its validation metrics, earlier ones first.
    """
    trial = task.read(number)
    if trial is None or trial.settings != settings:
        shutil.rmtree(_folder(task, number), ignore_errors=True)
        trial = Trial(number, settings)
    tell = on_epoch or (lambda epoch, metrics: None)
    for epoch, metrics in enumerate(trial.history, start=1):
        tell(epoch, metrics)
    if trial.finished:
        return trial
    task.write(trial)
    _leave_damaged(task, number)
    try:
        _train(task, tables, trial, tell)
        trial.status = DONE
    except UserError as error:
        trial.status, trial.error = FAILED, str(error)
    task.write(trial)
    shutil.rmtree(_folder(task, number), ignore_errors=True)
    return trial


def _leave_damaged(task: Task, number: int) -> None:
    """Let a trial whose last state cannot be read begin again: that is no fault of its settings."""
    state = _folder(task, number) / "last.pt"
    if not state.exists():
        return
    try:
        load_checkpoint(state)
    except UserError as error:
        logger.warning("trial %d begins again: %s", number + 1, error)
        shutil.rmtree(_folder(task, number), ignore_errors=True)


def _train(task: Task, tables: AtomicTables, trial: Trial, tell: OnEpoch) -> None:
    if "test" in tables.splits:
        raise ValueError("a search must not be given the test sessions: see without_test")
    config = task.config(trial.settings)
    dataset = ExperimentData(tables, config).select
    folder = _folder(task, trial.number)
    valid = loader(dataset.evaluation_rows, config, train=False)
    if not getattr(model_class(task.model), "trainable", True):
        started = time.perf_counter()
        trainer = SessionTrainer(config, build_model(config, task.model, dataset))
        trial.history = [metrics_from_ranks(trainer.rank(valid), config["topk"])]
        trial.seconds = round(time.perf_counter() - started, 3)
        tell(1, trial.history[0])
        return
    trainer = SessionTrainer(config, build_model(config, task.model, dataset), folder)

    def note(result: EpochResult) -> None:
        # The trainer's own history is the whole of it, also after a cut between two writes.
        epochs = trainer.progress.history
        trial.history = [epoch.valid for epoch in epochs]
        trial.seconds = round(sum(epoch.seconds for epoch in epochs), 3)
        task.write(trial)
        tell(len(epochs), result.valid)

    trainer.fit(loader(dataset.train_rows, config, train=True), valid, callback_fn=note)
    trial.history = [epoch.valid for epoch in trainer.progress.history]


def _folder(task: Task, number: int) -> Path:
    return task.checkpoints / f"{number:04d}"
