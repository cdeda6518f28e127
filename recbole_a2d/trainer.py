"""RecBole's Trainer for session models: schedule, precision, safe checkpoints, ranks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.trainer import Trainer
from torch import Tensor, nn, optim
from torch.nn.utils.clip_grad import clip_grad_norm_
from tqdm import tqdm

from recbole_a2d import distributed
from recbole_a2d.checkpoint import load_checkpoint, save_checkpoint
from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.errors import Diverged, UserError
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.evaluation.ranks import target_ranks
from recbole_a2d.optimizer import adam, sparse_parameters
from recbole_a2d.precision import autocast, choose_precision, precision_name, training_in
from recbole_a2d.process import FreedMemory, prepare_process
from recbole_a2d.records import source_commit
from recbole_a2d.scoring import score_parts
from recbole_a2d.training_progress import EarlyStopping, EpochResult, Progress

IntArray = NDArray[np.int64]


class SessionTrainer(Trainer):
    """Trains and ranks one model.

    Built on RecBole's Trainer for its optimiser choice and its interface (``fit``,
    ``evaluate``), with these differences: the learning rate follows a schedule; Adam is
    fused; batches come from :class:`PrefixLoader`; ranking goes through
    :func:`target_ranks`; checkpoints are tensors and JSON; a training that was cut off goes
    on from its last epoch with the same batches and the same dropout; several processes may
    train together (:mod:`recbole_a2d.distributed`).

    Args:
        config: a :class:`SessionConfig`.
        model: the model.
        folder: where ``last.pt`` and ``best.pt`` go; None keeps nothing.
    """

    def __init__(self, config: Any, model: nn.Module, folder: Path | None = None) -> None:
        prepare_process()
        self.freed_memory = FreedMemory()
        # RecBole's own __init__ opens tensorboard, wandb and a fresh folder for pickles.
        self.config = config
        self.model = model
        self.logger = getLogger("recbole_a2d")
        self.device = torch.device(config["device"])
        self.learner = config["learner"]
        self.learning_rate = float(config["learning_rate"])
        self.weight_decay = float(config["weight_decay"])
        self.epochs = config["epochs"]
        self.clip_grad_norm = config["clip_grad_norm"]
        self.valid_metric = config["valid_metric"].lower()
        least_steps = int(config["stopping_min_steps"] or 0)
        self.stopping = EarlyStopping(self.valid_metric, config["stopping_step"], least_steps)
        self.show_progress = bool(config["show_progress"])
        self.dtype = choose_precision(config["precision"], self.device)
        self.folder = folder
        self.phase = folder.name if folder is not None else ""
        self.progress = Progress()
        model.to(self.device)
        if any(True for _ in model.parameters()):
            self.optimizer = self._build_optimizer()

    def _build_optimizer(self, **kwargs: Any) -> optim.Optimizer:
        if self.learner.lower() == "adam":
            return adam(self.model, self.learning_rate, self.weight_decay)
        chosen: optim.Optimizer = super()._build_optimizer(**kwargs)
        return chosen

    # ------------------------------------------------------------------ training

    def fit(
        self,
        train_data: PrefixLoader,
        valid_data: PrefixLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool | None = None,
        callback_fn: Callable[[EpochResult], None] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """Train until the validation score stops rising, or for all epochs without one.

        ``last.pt`` is written after every epoch, ``best.pt`` after every better one (the
        last one where there is no validation); an existing ``last.pt`` is resumed.

        Returns:
            Best validation score and all validation metrics of its epoch.

        Raises:
            Diverged: the loss is NaN or infinite; the message names the batch.
        """
        if show_progress is not None:
            self.show_progress = show_progress
        saved = saved and self.folder is not None
        if saved and self.resume() and self._goes_on:
            self.logger.info("going on after epoch %d", self.progress.next_epoch)
        distributed.same_everywhere(
            self.progress.next_epoch, f"{self.folder} must be one folder that all of them see"
        )
        distributed.copy_from_first(self.model)
        while self._goes_on:
            result = self._run_epoch(train_data, valid_data)
            best = self.progress.enter(result, self.stopping, len(train_data))
            if saved:
                self._save(best or valid_data is None)
            if verbose:
                self.logger.info(result.describe(best))
            if callback_fn is not None:
                callback_fn(result)
        return self.progress.best_score, self.progress.best_metrics

    @property
    def _goes_on(self) -> bool:
        return not self.progress.finished and self.progress.next_epoch < self.epochs

    def _run_epoch(self, train_data: PrefixLoader, valid_data: PrefixLoader | None) -> EpochResult:
        epoch = self.progress.next_epoch
        started = time.perf_counter()
        self._set_learning_rate(epoch)
        loss = self._train_epoch(train_data, epoch)
        result = EpochResult(
            epoch,
            loss,
            0.0,
            self.optimizer.param_groups[0]["lr"],
            commit=source_commit(),
            precision=precision_name(self.dtype),
        )
        if valid_data is not None:
            result.valid = metrics_from_ranks(self.rank(valid_data), self.config["topk"])
        result.seconds = round(time.perf_counter() - started, 3)
        return result

    def _set_learning_rate(self, epoch: int) -> None:
        drops = epoch // int(self.config["lr_step"] or self.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * float(self.config["lr_decay"] or 1.0) ** drops

    def _train_epoch(
        self,
        train_data: PrefixLoader,
        epoch_idx: int,
        loss_func: Callable[..., Tensor] | None = None,
        show_progress: bool = False,
    ) -> float:
        # Seeded by the epoch, so that a resumed run draws the dropout it would have drawn.
        torch.manual_seed(int(self.config["seed"]) * 10_007 + epoch_idx)
        train_data.set_epoch(epoch_idx)
        self._prepare(epoch_idx)
        self.model.train()
        self._announce("on_training_start", epoch_idx)
        total, rows = 0.0, 0
        bar = self._bar(train_data, f"epoch {epoch_idx + 1:>2} train")
        for number, interaction in enumerate(bar):
            batch = interaction.to(self.device)
            step = self._step(batch, loss_func or self.calculate_loss)
            if not np.isfinite(step.loss):
                raise Diverged(f"loss is {step.loss} in batch {number} of epoch {epoch_idx + 1}")
            total, rows = total + step.loss * step.rows, rows + step.rows
            self.freed_memory.limit()
            if number == 0:
                distributed.draw_apart()
            if number % 20 == 0:
                bar.set_postfix_str(f"loss {total / rows:.4f}", refresh=False)
        return total / max(rows, 1)

    def calculate_loss(self, batch: Any) -> Tensor:
        """The model's loss on a batch."""
        model: Any = self.model
        return model.calculate_loss(batch)

    def _step(self, batch: Any, loss_function: Callable[..., Any]) -> distributed.Step:
        # RecBole's models turn this on for the whole process when they are imported (its SINE
        # does): it looks for NaN in every gradient, a third of the time of a step.
        with torch.autograd.set_detect_anomaly(False):
            return self._plain_step(batch, loss_function)

    def _plain_step(self, batch: Any, loss_function: Callable[..., Any]) -> distributed.Step:
        self.optimizer.zero_grad(set_to_none=True)
        value = self._differentiate(batch, loss_function) if len(batch) else 0.0
        step = distributed.average_gradients(
            self.model.parameters(), value, len(batch), sparse_parameters(self.model)
        )
        if np.isfinite(step.loss):
            if self.clip_grad_norm:
                clip_grad_norm_(self.model.parameters(), **self.clip_grad_norm)
            self.optimizer.step()
        return step

    def _differentiate(self, batch: Any, loss_function: Callable[..., Any]) -> float:
        with training_in(self.dtype, self.device):
            with autocast(self.dtype, self.device):
                loss = loss_function(batch)
            value = float(loss.item())
            if np.isfinite(value):
                torch.autograd.backward(loss)
        return value

    def _prepare(self, epoch: int) -> None:
        self._announce("on_epoch_start", epoch)

    def _announce(self, hook: str, epoch: int) -> None:
        """Call a hook of the model, where it has one."""
        if hasattr(self.model, hook):
            getattr(self.model, hook)(epoch)

    # ------------------------------------------------------------------ ranking

    @torch.no_grad()
    def rank(self, data: PrefixLoader) -> IntArray:
        """Rank of every row's target, in row order; 0 where it is a miss by definition.

        That is a target unseen in training, or a prefix of which no click is known.
        """
        self._prepare(self.progress.next_epoch)
        self.model.eval()
        ranks = np.zeros(len(data.rows), np.int64)
        for interaction in self._bar(data, "         rank "):
            known = (interaction["item_length"] > 0) & (interaction["item_id"] > 0)
            if not bool(known.all()):
                interaction = interaction[known]
            if len(interaction) > 0:
                ranks[interaction["row_id"].numpy()] = self._rank_batch(interaction)
        return distributed.sum_over_processes(ranks)

    def _rank_batch(self, interaction: Any) -> IntArray:
        batch = interaction.to(self.device)
        ranks = [
            target_ranks(scores, batch["item_id"][rows])
            for rows, scores in score_parts(self.model, batch)
        ]
        found: IntArray = torch.cat(ranks).cpu().numpy()
        return found

    def evaluate(
        self,
        eval_data: PrefixLoader,
        load_best_model: bool = True,
        model_file: Path | None = None,
        show_progress: bool | None = None,
    ) -> dict[str, float]:
        """Metrics of the held-out rows, by the best checkpoint unless told otherwise."""
        if show_progress is not None:
            self.show_progress = show_progress
        if load_best_model:
            self.load_best(model_file)
        return metrics_from_ranks(self.rank(eval_data), self.config["topk"])

    # ------------------------------------------------------------------ checkpoints

    def _save(self, best: bool) -> None:
        if distributed.is_first():
            self._write(best)
        distributed.wait_for_all()

    def _write(self, best: bool) -> None:
        assert self.folder is not None
        facts = asdict(self.progress)
        weights = self.model.state_dict()
        if best:
            save_checkpoint(self.folder / "best.pt", {"model": weights}, facts)
        state = {"model": weights, "optimizer": self.optimizer.state_dict()}
        save_checkpoint(self.folder / "last.pt", state, facts)

    def resume(self) -> bool:
        """Go on from ``last.pt`` where there is one; False where there is none."""
        if self.folder is None or not (self.folder / "last.pt").exists():
            return False
        tensors, facts = load_checkpoint(self.folder / "last.pt")
        self._load_weights(tensors["model"], self.folder / "last.pt")
        self.optimizer.load_state_dict(tensors["optimizer"])
        self.progress = Progress.from_json(facts)
        return True

    def load_best(self, path: Path | None = None) -> None:
        """Put the best epoch's weights into the model."""
        if path is None:
            if self.folder is None:
                raise ValueError("nothing was saved: give model_file, or a folder to the trainer")
            path = self.folder / "best.pt"
        tensors, _ = load_checkpoint(path)
        self._load_weights(tensors["model"], path)

    def _load_weights(self, weights: dict[str, Tensor], path: Path) -> None:
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(
                f"{path}: belongs to another model or data set; delete it or run with --fresh"
            ) from error

    def _bar(self, data: PrefixLoader, label: str) -> Any:
        shown = self.show_progress and sys.stderr.isatty() and distributed.is_first()
        return tqdm(data, desc=label, leave=False, dynamic_ncols=True, disable=not shown)


def loader(rows: PrefixRows, config: Any, *, train: bool) -> PrefixLoader:
    """The loader that a run uses for these rows."""
    size = config["train_batch_size"] if train else config["eval_batch_size"]
    return PrefixLoader(
        rows,
        size,
        shuffle=train,
        seed=config["seed"],
        time_order=config["time_order"],
        share=(distributed.rank(), distributed.size()),
    )
