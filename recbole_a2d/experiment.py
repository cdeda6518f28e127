"""The one road from settings to a result that every command takes."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recbole_a2d import distributed, records
from recbole_a2d.config import plain_settings
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.errors import UserError, WrongValue
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.finished_runs import cut_off, finished_record, note_data
from recbole_a2d.lock import to_itself
from recbole_a2d.process import prepare_process
from recbole_a2d.registry import model_class, require_categories
from recbole_a2d.run_names import new_name, standing_name
from recbole_a2d.saved_run import FACTS, FINAL, write_saved_run
from recbole_a2d.trainer import SessionTrainer, loader

IntArray = NDArray[np.int64]
logger = logging.getLogger("recbole_a2d")


def run_experiment(
    config: Any, model: str, *, fresh: bool = False, command: str | None = None
) -> records.Record:
    """Train, choose the epoch, refit, test and write the record.

    Protocol ``clean``: the epoch is chosen by the validation sessions; with ``refit`` a new
    model is trained for so many epochs on train + valid; the test rows are ranked once.
    ``test_selected`` ranks the test rows after every epoch and reports the best epoch of
    each metric, as much of the literature does; its record says so.

    A run that was cut off goes on where it stood, also one that began with ``fresh``; a finished
    one returns its record.

    Args:
        config: of :func:`recbole_a2d.config.build_config`.
        model: registry name.
        fresh: forget what an earlier run with these settings left.
        command: for the record; by default the command line this process was started with.

    Raises:
        UserError: another process trains this run, the folders of results or checkpoints cannot be
            written to, the data set is missing or damaged, does not fit the model, or is not that
            of an earlier run with these settings.
    """
    name = _name(config, model, fresh)
    results, folder = Path(config["results_dir"]), Path(config["checkpoint_dir"]) / name
    finished = None if fresh else _finished(config, name)
    if finished is not None:
        return finished
    experiment = Experiment(config, model, name, folder, command)
    with _claim(results, folder):
        if fresh:
            _forget(folder)
        # Another process may have ended the run since it was looked for.
        finished = None if fresh else _finished(config, name)
        if finished is not None:
            return finished
        _unmark(folder)
        record, ranks = experiment.run()
        if distributed.is_first():
            records.write_record(results, record, ranks)
            for state in cut_off(folder):
                state.unlink()
    logger.info("record: %s", records.record_path(results, name))
    return record


def _name(config: Any, model: str, fresh: bool) -> str:
    """Name of the run; one that is cut off goes on under its own, whatever older record stands."""
    name = new_name(config, model)
    waits = bool(cut_off(Path(config["checkpoint_dir"]) / name))
    return name if fresh or waits else standing_name(config, model)


def _finished(config: Any, name: str) -> records.Record | None:
    """The record of a run that has ended."""
    distributed.wait_for_all()
    record = finished_record(config, name)
    complaint = f"{config['results_dir']} must be one folder that all of them see"
    distributed.same_everywhere(record is not None, complaint)
    if record is not None:
        logger.info("%s is finished already; --fresh runs it again", name)
    return record


@contextmanager
def _claim(results: Path, folder: Path) -> Iterator[None]:
    """Have the run and its folders to itself; the first of several processes has it for all."""
    if not distributed.is_first():
        yield
        return
    with to_itself(results, folder.parent, folder.name):
        yield


def _forget(folder: Path) -> None:
    if distributed.is_first():
        shutil.rmtree(folder, ignore_errors=True)
    distributed.wait_for_all()


def _unmark(folder: Path) -> None:
    """What an earlier training left as a whole run is none while its files are written anew."""
    if distributed.is_first():
        (folder / FINAL / FACTS).unlink(missing_ok=True)


def build_model(config: Any, model: str, dataset: SessionDataset) -> nn.Module:
    """Make the model with weights drawn from the seed.

    Raises:
        UserError: the model needs categories and the data set has none, or it refuses a setting.
    """
    prepare_process()
    check_categories(config, model, dataset)
    torch.manual_seed(config["seed"])
    np.random.seed(config["seed"])
    return _built(model_class(model), model, config, dataset)


def check_categories(config: Any, model: str, dataset: SessionDataset) -> None:
    """Refuse data without item categories where the model is to read them.

    Raises:
        UserError: as said.
    """
    reads = getattr(model_class(model), "uses_categories", False)
    if reads and config["categories"] != "none":
        require_categories(model, dataset)


def _built(chosen: Any, model: str, config: Any, dataset: SessionDataset) -> nn.Module:
    try:
        built: nn.Module = chosen(config, dataset)
    except WrongValue as error:
        raise config.told(error) from error
    except ValueError as error:
        # RecBole's models look at their settings themselves, and say so in this way.
        raise UserError(f"{model}: {error}; change the setting it names") from error
    return built


class Experiment:
    """One run: its data, its phases and the record they end in.

    Args:
        config, model: as for :func:`run_experiment`.
        name: of the run.
        folder: for its checkpoints, one subfolder a phase.
    """

    def __init__(
        self, config: Any, model: str, name: str, folder: Path, command: str | None = None
    ) -> None:
        self.config = config
        self.model = model
        self.name = name
        self.folder = folder
        self.data = ExperimentData(read_atomic(dataset_folder(config)), config)
        if distributed.size() > 1:
            distributed.same_everywhere(
                (self.data.fingerprint(), config["device"].type),
                "each needs the same data set, and all a GPU or none (--gpu_id='')",
            )
        self.history: list[dict[str, Any]] = []
        self.commit = records.source_commit()
        self.command = command or records.command_line(sys.argv, distributed.launcher())
        self.reported = False

    def run(self) -> tuple[records.Record, IntArray]:
        """Train and test; returns the record and the rank of each test row's target."""
        if not getattr(model_class(self.model), "trainable", True):
            return self._counted()
        if self.config["protocol"] == "test_selected":
            return self._test_selected()
        return self._clean()

    def _counted(self) -> tuple[records.Record, IntArray]:
        started = time.perf_counter()
        trainer = self._trainer(self.data.final, "fitted")
        ranks = self._rank(trainer, self.data.final)
        seconds = time.perf_counter() - started
        record = self._record(trainer, self.data.final, ranks, epochs=0, seconds=seconds)
        return record, ranks

    def _clean(self) -> tuple[records.Record, IntArray]:
        trainer = self._trainer(self.data.select, "select")
        logger.info("%s: choosing the epoch on the validation sessions", self.name)
        _, valid = self._fit(trainer, self.data.select, validate=True)
        epochs = trainer.progress.best_epoch + 1
        dataset = self.data.final
        if self.config["refit"]:
            logger.info("%s: training on train + valid for %d epochs", self.name, epochs)
            trainer = self._trainer(dataset, "final", epochs)
            self._fit(trainer, dataset, validate=False)
        else:
            dataset = self.data.unrefitted
            trainer.load_best()
        ranks = self._rank(trainer, dataset)
        return self._record(trainer, dataset, ranks, epochs=epochs, valid=valid), ranks

    def _test_selected(self) -> tuple[records.Record, IntArray]:
        trainer = self._trainer(self.data.final, "test_selected")
        logger.warning("%s: the TEST rows choose the epoch; for comparison only", self.name)
        self._fit(trainer, self.data.final, validate=True)
        epochs = trainer.progress.best_epoch + 1
        trainer.load_best()
        ranks = self._rank(trainer, self.data.final)
        record = self._record(trainer, self.data.final, ranks, epochs=epochs)
        record.test_selected = best_of_each(self.history)
        return record, ranks

    def _trainer(
        self, dataset: SessionDataset, phase: str, epochs: int | None = None
    ) -> SessionTrainer:
        model = build_model(self.config, self.model, dataset)
        self._report_cut(model)
        trainer = SessionTrainer(self.config, model, self.folder / phase)
        trainer.epochs = trainer.epochs if epochs is None else epochs
        return trainer

    def _report_cut(self, model: Any) -> None:
        """Say once how many prefixes the model cannot read whole."""
        if self.reported:
            return
        self.reported = True
        dataset = self.data.final
        limit = longest_prefix(model, dataset)
        trained, ranked = dataset.train_rows, dataset.evaluation_rows
        cut = trained.longer_than(limit), ranked.longer_than(limit)
        if any(cut):
            logger.info(
                "%s reads at most %d clicks: %d of %d training and %d of %d test prefixes keep "
                "their last ones",
                self.model,
                limit,
                cut[0],
                len(trained),
                cut[1],
                len(ranked),
            )

    def _fit(
        self, trainer: SessionTrainer, dataset: SessionDataset, *, validate: bool
    ) -> tuple[float, dict[str, float]]:
        train = loader(dataset.train_rows, self.config, train=True)
        valid = loader(dataset.evaluation_rows, self.config, train=False) if validate else None
        if distributed.is_first():
            begun = bool(cut_off(self.folder))
            note_data(self.folder, self.data.fingerprint(), begun=begun)
        best = trainer.fit(train, valid)
        self.history += [{"phase": trainer.phase} | asdict(e) for e in trainer.progress.history]
        return best

    def _rank(self, trainer: SessionTrainer, dataset: SessionDataset) -> IntArray:
        return trainer.rank(loader(dataset.evaluation_rows, self.config, train=False))

    def _record(
        self,
        trainer: SessionTrainer,
        dataset: SessionDataset,
        ranks: IntArray,
        *,
        epochs: int,
        seconds: float | None = None,
        valid: dict[str, float] | None = None,
    ) -> records.Record:
        if distributed.is_first():
            write_saved_run(self.folder / FINAL, self.model, self.config, dataset, trainer)
        rows = dataset.evaluation_rows
        spent = sum(epoch["seconds"] for epoch in self.history) if seconds is None else seconds
        return records.Record(
            run=self.name,
            model=self.model,
            variant=str(self.config["variant"]),
            dataset=dataset.name,
            preset=str(self.config["preset"]),
            protocol=str(self.config["protocol"]),
            seed=int(self.config["seed"]),
            epochs=epochs,
            seconds=round(spent, 2),
            train_rows=len(dataset.train_rows),
            test_rows=len(rows),
            items=dataset.n_items - 1,
            categories=dataset.n_categories - 1,
            test=metrics_from_ranks(ranks, self.config["topk"]),
            valid=valid or {},
            command=self.command,
            config=plain_settings(self.config),
            versions=records.versions(),
            machine=records.machine(torch.get_num_threads(), trainer.dtype if epochs else None),
            data_fingerprint=self.data.fingerprint(),
            commit=self.commit,
            missed_rows=missed_rows(dataset),
            history=self.history,
            diagnostics=diagnostics(trainer.model, dataset),
        )


def longest_prefix(model: Any, dataset: SessionDataset) -> int:
    """Clicks that a model reads of a prefix at most; longer ones keep their last clicks."""
    of_model = getattr(model, "max_clicks", None) or dataset.max_length
    return min(int(of_model), dataset.max_length)


def diagnostics(model: Any, dataset: SessionDataset, rows: int = 4096) -> dict[str, float]:
    """What a model says of itself on rows spread over the held-out sessions; {} if nothing."""
    if not hasattr(model, "diagnostics"):
        return {}
    held_out = dataset.evaluation_rows
    chosen = np.unique(np.linspace(0, len(held_out) - 1, rows).astype(np.int64))
    batch = held_out.batch(chosen)
    model.eval()
    report: dict[str, float] = model.diagnostics(batch[batch["item_length"] > 0])
    return report


def missed_rows(dataset: SessionDataset) -> dict[str, int]:
    """Rows that are misses for every model, by reason."""
    rows = dataset.evaluation_rows
    known = np.concatenate([[0], np.cumsum(rows.sessions.items > 0)])
    return {
        "target_unseen_in_training": int((rows.targets == 0).sum()),
        "no_known_click": int((known[rows.end] == known[rows.start]).sum()),
    }


def best_of_each(history: list[dict[str, Any]]) -> dict[str, Any]:
    """The best epoch of each metric on its own, the way test-selected results are reported."""
    metrics = history[0]["valid"]
    best = {name: max(history, key=lambda epoch: epoch["valid"][name]) for name in metrics}
    return {
        name: {"value": epoch["valid"][name], "epoch": epoch["epoch"] + 1}
        for name, epoch in best.items()
    }
