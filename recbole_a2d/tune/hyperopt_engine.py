"""Searching with hyperopt, through RecBole's ``HyperTuning``."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from recbole.trainer.hyper_tuning import HyperTuning

from recbole_a2d.tune.search import Search
from recbole_a2d.tune.trial import Trial, run_trial

with warnings.catch_warnings():  # hyperopt 0.2.5 asks for pkg_resources
    warnings.simplefilter("ignore")
    import hyperopt
    from hyperopt import rand, tpe
    from hyperopt.base import JOB_STATE_DONE, miscs_update_idxs_vals
    from hyperopt.exceptions import AllTrialsFailed

Suggest = Callable[..., Any]
STARTING_TRIALS = 8
"""Trials drawn at random before the tree of Parzen estimators has something to go by."""
SEEDS = 2**32
"""So many seeds numpy takes; the number of a trial may lead beyond the last."""
logger = logging.getLogger("recbole_a2d")


class ResumableTuning(HyperTuning):
    """RecBole's tuning with what it lacks put right.

    An exhaustive search tries every combination (RecBole draws at random until luck runs out,
    and stops after ten trials without progress); a search that was cut off goes on, the trial
    in flight from its last epoch; the trials that were done decide what comes next exactly as
    if nothing had happened; a test result is neither needed nor shown; values are not evaluated
    as Python.

    Args:
        search: what to search.
    """

    def __init__(self, search: Search) -> None:
        super().__init__(
            self._objective,
            params_dict=search.space.as_recbole(),
            algo=_algorithm(search),
            max_evals=search.trials,
        )
        self.search = search
        self.next_number = 0

    def run(self) -> None:
        """Run the trials that are missing."""
        done = self._finished()
        self.next_number = len(done)
        # fmin's last line wants a best point; Search.close says why there is none.
        with suppress(AllTrialsFailed):
            hyperopt.fmin(
                self.trial,
                self.space,
                algo=self.algo,
                max_evals=self.max_evals,
                trials=self._as_hyperopt(done),
                rstate=np.random.RandomState(0),
                show_progressbar=False,
                verbose=False,
            )

    def trial(self, params: dict[str, Any]) -> dict[str, Any]:
        """Run one trial: what hyperopt calls, values of choices as their places."""
        number, self.next_number = self.next_number, self.next_number + 1
        trial = self.objective_function(number, params)
        self.params_list.append(self.params2str(trial.settings))
        return _result(trial, self.search.metric)

    def _objective(self, number: int, params: dict[str, Any]) -> Trial:
        search = self.search
        settings = search.space.from_recbole(params)
        logger.info("trial %d of %d: %s", number + 1, self.max_evals, self.params2str(settings))
        trial = run_trial(search.task, search.tables, number, settings)
        if trial.error:
            logger.warning("trial %d failed: %s", number + 1, trial.error)
        return trial

    def _finished(self) -> list[Trial]:
        """The finished trials before the first unfinished one."""
        done: list[Trial] = []
        for trial in self.search.recorded():
            if not trial.finished or trial.number != len(done):
                break
            done.append(trial)
        return done

    def _as_hyperopt(self, done: list[Trial]) -> Any:
        trials = hyperopt.Trials()
        for trial in done:
            trials.insert_trial_docs([self._document(trials, trial)])
        trials.refresh()
        return trials

    def _document(self, trials: Any, trial: Trial) -> Any:
        values = {
            p.name: p.to_hyperopt(trial.settings[p.name]) for p in self.search.space.parameters
        }
        result = _result(trial, self.search.metric)
        document = _documents(trials, trial.number, values, result)[0]
        document["state"] = JOB_STATE_DONE
        return document


def _algorithm(search: Search) -> Suggest:
    if search.algorithm == "exhaustive":
        return partial(_next_combination, list(search.planned()), search.space)
    if search.algorithm == "random":
        suggest = rand.suggest
    else:
        suggest = partial(tpe.suggest, n_startup_jobs=STARTING_TRIALS)
    seed = search.seed

    def seeded(new_ids: list[int], domain: Any, trials: Any, _: int) -> Any:
        # By the trial's number, so that a resumed search draws what it would have drawn.
        return suggest(new_ids, domain, trials, (seed + new_ids[0]) % SEEDS)

    return seeded


def _next_combination(
    grid: list[dict[str, Any]], space: Any, new_ids: list[int], domain: Any, trials: Any, _: int
) -> Any:
    """What hyperopt asks for new trials: the next combinations of the grid; none at its end."""
    found = []
    for number in new_ids:
        if number < len(grid):
            values = {p.name: p.to_hyperopt(grid[number][p.name]) for p in space.parameters}
            found += _documents(trials, number, values, domain.new_result())
    return found


def _documents(trials: Any, number: int, values: dict[str, Any], result: dict[str, Any]) -> Any:
    misc = {"tid": number, "cmd": ("domain_attachment", "FMinIter_Domain"), "workdir": None}
    indices = {name: [number] for name in values}
    miscs_update_idxs_vals([misc], indices, {name: [value] for name, value in values.items()})
    return trials.new_trial_docs([number], [None], [result], [misc])


def _result(trial: Trial, metric: str) -> dict[str, Any]:
    found = trial.best(metric)
    if found is None:
        return {"status": hyperopt.STATUS_FAIL}
    return {"loss": -found[0], "status": hyperopt.STATUS_OK}


def run(search: Search) -> None:
    """Run a search; a second call with the same search goes on where the first was cut off."""
    ResumableTuning(search).run()
