"""What epochs leave behind, which of them is the best, and when there have been enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class EpochResult:
    """What one epoch left behind: its loss, its time and, if there was one, its validation.

    A run that is cut off may go on with another commit or on another processor: each epoch says
    what made it. Epochs of older checkpoints do not know.
    """

    epoch: int
    loss: float
    seconds: float
    learning_rate: float
    valid: dict[str, float] = field(default_factory=dict)
    commit: str = ""
    precision: str = ""

    def describe(self, best: bool) -> str:
        """One line for the log."""
        text = f"epoch {self.epoch + 1:>2}  loss {self.loss:.4f}"
        hit, reciprocal = self.valid.get("hit@20"), self.valid.get("mrr@20")
        if hit is not None and reciprocal is not None:
            text += f"  valid hit@20 {100 * hit:.2f}  mrr@20 {100 * reciprocal:.2f}"
        return text + f"  {self.seconds:.1f}s" + ("  *" if best else "")


@dataclass(frozen=True)
class EarlyStopping:
    """When a training with validation ends.

    Attributes:
        metric: what an epoch is judged by.
        patience: epochs without a better one after which it ends ...
        least_steps: ... but not before so many steps: an epoch of a small data set is a few, too
            few to judge a model by.
    """

    metric: str
    patience: int
    least_steps: int = 0


@dataclass
class Progress:
    """Where a training stands; all that a resumed run needs beside the tensors."""

    next_epoch: int = 0
    best_epoch: int = -1
    best_score: float = -1.0
    finished: bool = False
    history: list[EpochResult] = field(default_factory=list)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Progress:
        """Inverse of ``dataclasses.asdict``."""
        history = [EpochResult(**epoch) for epoch in facts["history"]]
        return cls(**(facts | {"history": history}))

    def enter(self, result: EpochResult, stopping: EarlyStopping, steps: int) -> bool:
        """Enter an epoch of so many steps; True where validation found it the best so far.

        Of epochs without validation the last one is the best, and no number of them is enough.
        """
        self.history.append(result)
        self.next_epoch = result.epoch + 1
        if not result.valid:
            self.best_epoch = result.epoch
            return False
        score = result.valid[stopping.metric]
        better = score > self.best_score
        if better:
            self.best_score, self.best_epoch = score, result.epoch
        patient = result.epoch - self.best_epoch < stopping.patience
        self.finished = not (patient or self.next_epoch * steps < stopping.least_steps)
        return better

    @property
    def best_metrics(self) -> dict[str, float]:
        """Validation metrics of the best epoch; none before the first."""
        return self.history[self.best_epoch].valid if self.best_epoch >= 0 else {}
