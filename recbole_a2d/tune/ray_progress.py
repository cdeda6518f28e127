"""What the trials of a Ray search do, told while it runs; their own processes are not heard."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from recbole_a2d.tune.search import Search
from recbole_a2d.tune.trial import DONE, FAILED, Trial

logger = logging.getLogger("recbole_a2d")


def progress(search: Search, ended: Collection[int] = ()) -> Any:
    """A callback of Ray Tune's that logs every epoch and every end of a trial.

    Args:
        search: whose trials run.
        ended: numbers of those that ended earlier and only report again.
    """
    from ray.tune import Callback

    # Ray pickles its callbacks: without the tables of the search.
    task, count, metric = search.task, search.trials, search.metric

    class Progress(Callback):
        def on_trial_result(
            self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
        ) -> None:
            number = _number(trial)
            if number not in ended and metric in result:  # a failed one reports its end alone
                told = f"epoch {result['epoch']:>2}  valid {metric} {100 * result[metric]:.2f}"
                logger.info("trial %d of %d: %s", number + 1, count, told)

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            number = _number(trial)
            record = task.read(number) if number not in ended else None
            if record is not None:
                _tell_end(record, count, metric)

    return Progress()


def _number(trial: Any) -> int:
    return int(trial.config["plan"]["number"])


def _tell_end(trial: Trial, count: int, metric: str) -> None:
    if trial.status == FAILED:
        logger.warning("trial %d failed: %s", trial.number + 1, trial.error)
        return
    best = trial.best(metric)
    told = f"best {metric} {100 * best[0]:.2f}, " if best else ""
    how = "done" if trial.status == DONE else "stopped early"
    settings = ", ".join(f"{key}:{value}" for key, value in trial.settings.items())
    logger.info("trial %d of %d %s: %s%s", trial.number + 1, count, how, told, settings)
