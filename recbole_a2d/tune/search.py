"""A search: its name, its trials, its best configuration."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from recbole_a2d.config import plain_settings
from recbole_a2d.data.atomic import AtomicTables, read_atomic
from recbole_a2d.data.phases import ExperimentData, dataset_folder, fingerprint
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import check_categories
from recbole_a2d.finished_runs import note_data
from recbole_a2d.safe_write import replaced_file
from recbole_a2d.tune.plot import write_plot
from recbole_a2d.tune.space import SearchSpace, Settings
from recbole_a2d.tune.trial import DONE, RUNNING, STOPPED, Task, Trial, damaged, without_test

ALGORITHMS = {"hyperopt": ("bayes", "random", "exhaustive"), "ray": ("random", "exhaustive")}
"""What each engine can search by; the first is its default."""


@dataclass
class Search:
    """What to search for, where, and how.

    Args:
        task: model, data and fixed settings.
        space: what is searched.
        engine: hyperopt or ray.
        algorithm: of :data:`ALGORITHMS`.
        trials: how many; None means all of an exhaustive search.

    Raises:
        UserError: the space cannot be searched so, its first values are refused, or the data set
            is missing, damaged, or none that any trial could train and validate on.
    """

    task: Task
    space: SearchSpace
    engine: str
    algorithm: str
    trials: int
    tables: AtomicTables = field(init=False, repr=False)

    def __post_init__(self) -> None:
        config = self.task.config(next(iter(self.planned(1))))
        self.tables = without_test(read_atomic(dataset_folder(config)))
        self._check_data(config)

    def _check_data(self, config: Any) -> None:
        """Tell once, and before any trial, what would fail them all."""
        dataset = ExperimentData(self.tables, config).select
        searched = {parameter.name for parameter in self.space.parameters}
        if not searched & {"categories", "variant"}:  # where they are, some trials may read none
            check_categories(config, self.task.model, dataset)

    @property
    def metric(self) -> str:
        """The validation metric that is searched for."""
        return self.task.metric

    @property
    def name(self) -> str:
        """Of :func:`search_name`: that of its folders."""
        return self.task.folder.name

    def note_data(self) -> None:
        """Write down what the trials are made on: the data set without its test file.

        Raises:
            UserError: there are trials that were made on something else.
        """
        note_data(self.task.folder, fingerprint(self.tables), begun=self.task.begun)

    def forget(self) -> None:
        """Delete what an earlier search of this name left."""
        for folder in (self.task.folder, self.task.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def seed(self) -> int:
        """Of the draws."""
        return int(self.task.config({})["seed"])

    def planned(self, trials: int | None = None) -> Iterator[Settings]:
        """The settings of the trials where they do not depend on results: drawn, or the grid."""
        if self.algorithm == "exhaustive":
            yield from self.space.grid()
            return
        random = np.random.default_rng(self.seed)
        for _ in range(self.trials if trials is None else trials):
            yield self.space.sample(random)

    def recorded(self) -> list[Trial]:
        """Trials that have begun, by number.

        Raises:
            UserError: the record of one is damaged, or none of this search.
        """
        metric, read = self.metric, (self.task.read(number) for number in range(self.trials))
        found = [trial for trial in read if trial is not None]
        for trial in found:
            self._check(trial, metric)
        return found

    def _check(self, trial: Trial, metric: str) -> None:
        path = self.task.path(trial.number)
        if not self.space.holds(trial.settings):
            raise damaged(path, f"the space has no settings {trial.settings!r}")
        if any(metric not in epoch for epoch in trial.history):
            raise damaged(path, f"an epoch has no {metric}")

    def close(self) -> Trial:
        """Mark what a scheduler stopped, write ``best.yaml`` and ``search.html``.

        Returns:
            The best trial.

        Raises:
            UserError: a trial has not begun, or none came to a result.
        """
        trials = self.recorded()
        if len(trials) < self.trials:
            raise UserError(
                f"{self.trials - len(trials)} of {self.trials} trials have not begun; the same "
                "command goes on"
            )
        for trial in trials:
            if trial.status == RUNNING:
                trial.status = STOPPED
                self.task.write(trial)
        best = best_trial(trials, self.metric)
        if best is None:
            reasons = {trial.error for trial in trials if trial.error} or {"none has an epoch"}
            raise UserError(f"no trial came to a result: {'; '.join(sorted(reasons))}")
        self.write_best(best, trials)
        write_plot(self.task.folder / "search.html", self.title, self.space, trials, self.metric)
        return best

    @property
    def title(self) -> str:
        """What the search is, in a line."""
        return (
            f"{self.task.model} on {self.task.dataset}: {self.trials} trials, {self.engine}, "
            f"{self.algorithm}"
        )

    @property
    def best_file(self) -> Path:
        """Where the best configuration is written."""
        return self.task.folder / "best.yaml"

    def write_best(self, best: Trial, trials: list[Trial]) -> None:
        """Write the best configuration as a yaml that ``run --config`` takes.

        The command in it is one for the folder in which the search was started.
        """
        found = best.best(self.metric)
        assert found is not None
        counts = {status: sum(trial.status == status for trial in trials) for status in _COUNTED}
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        lines = [
            f"# {self.title} ({told}).",
            f"# Trial {best.number + 1}: validation {self.metric} {found[0]:.4f} at epoch "
            f"{found[1]}. The test sessions took no part.",
            f"# {shlex.join(['python', 'run_recbole_a2d.py', *self._command()])}",
            yaml.safe_dump(best.settings, sort_keys=True).rstrip(),
        ]
        if self.task.fixed:
            given = yaml.safe_dump(_portable(self.task.fixed), sort_keys=True).rstrip()
            lines += ["# given to the search; the command line overrides them", given]
        with replaced_file(self.best_file) as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _command(self) -> list[str]:
        task, file = self.task, os.path.relpath(self.best_file)
        return [f"--dataset={task.dataset}", f"--model={task.model}", f"--config={file}"]


_COUNTED = (DONE, STOPPED, "failed")
_PLACES = ("data_path", "results_dir", "checkpoint_dir", "show_progress")


def _portable(fixed: Settings) -> Settings:
    return {key: value for key, value in fixed.items() if key not in _PLACES}


def best_trial(trials: list[Trial], metric: str) -> Trial | None:
    """The trial with the best epoch; the earliest of equals."""
    scored = [(trial.best(metric), trial) for trial in trials]
    known = [(found[0], -trial.number, trial) for found, trial in scored if found is not None]
    return max(known, key=lambda row: row[:2])[2] if known else None


def search_name(
    model: str, dataset: str, engine: str, algorithm: str, space: SearchSpace, config: Any
) -> str:
    """Name of a search: eight digits change with the space and every setting, not with trials."""
    content = [model, dataset, engine, algorithm, repr(space), plain_settings(config)]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode())
    return f"{dataset}-{model.replace('recbole.', 'recbole-')}-{engine}-{digest.hexdigest()[:8]}"
