"""Searching with Ray Tune: many trials at once, poor ones stopped early (ASHA)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from recbole_a2d.data.atomic import AtomicTables
from recbole_a2d.errors import UserError
from recbole_a2d.ray_cluster import connected, given_gpus, machines, resources
from recbole_a2d.tune.ray_progress import progress
from recbole_a2d.tune.search import Search
from recbole_a2d.tune.space import Settings
from recbole_a2d.tune.trial import Task, run_trial

GRACE_EPOCHS = 2
"""Epochs that every trial gets before it can be stopped."""
logger = logging.getLogger("recbole_a2d")


def run(
    search: Search, address: str | None = None, cpus: int | None = None, gpus: float | None = None
) -> None:
    """Run a search; a second call with the same search goes on where the first was cut off.

    What is tried is drawn beforehand from the seed, and every trial keeps its record and its
    last epoch in the search's folder. So nothing of Ray's own state is needed to resume: a
    finished trial only reports its history again, one in flight goes on from its last epoch.
    The search's folder must be seen from every machine of a cluster.

    Args:
        search: what to search.
        address: of a Ray cluster; None starts Ray on this machine.
        cpus, gpus: of each trial; by default one processor, or an equal part of the
            processors and one GPU where the cluster has GPUs.

    Raises:
        UserError: the cluster cannot be reached or has no room for a trial, or Ray was stopped
            before the trials had ended.
        RuntimeError: a trial broke for another reason than its settings.
    """
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new one ignores verbose=0
    # Ray would take Ctrl-C for the end of the search and return as if all trials had ended.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    with connected(address) as ray:
        given = resources(machines(ray), cpus, gpus)
        logger.info("ray: %s a trial", given)
        _run(search, {"cpu": float(given.cpus), "gpu": given.gpus})


def _run(search: Search, given: dict[str, float]) -> None:
    from ray import air, tune
    from ray.tune.schedulers import ASHAScheduler

    metric = search.metric
    ended = {trial.number for trial in search.recorded() if trial.finished}
    plan = [{"number": number} | settings for number, settings in enumerate(search.planned())]
    epochs = most_epochs(search)
    work = tune.with_parameters(_work, task=search.task, tables=search.tables, metric=metric)
    scheduler = ASHAScheduler(
        time_attr="epoch",
        max_t=epochs + 1,  # a trial that reaches its last epoch ends by itself
        grace_period=max(1, min(GRACE_EPOCHS, epochs)),
        reduction_factor=3,
    )
    # Ray's own notes on the trials; nothing is read from them again.
    notes = search.task.checkpoints / "ray"
    tuner = tune.Tuner(
        tune.with_resources(work, given),
        param_space={"plan": tune.grid_search(plan)},
        tune_config=tune.TuneConfig(metric=metric, mode="max", scheduler=scheduler),
        run_config=air.RunConfig(
            name=search.task.folder.name,
            storage_path=str(notes),
            verbose=0,
            callbacks=[progress(search, ended)],
        ),
    )
    results = tuner.fit()
    broken = [str(result.error) for result in results if result.error is not None]
    if broken:
        raise RuntimeError(f"{len(broken)} trials broke, the first with: {broken[0]}")
    left = unended(search, results)
    if left:  # another signal, SIGUSR1, still makes Ray return early
        raise UserError(
            f"Ray was stopped before {len(left)} of {len(plan)} trials had ended; "
            "the same command goes on"
        )


def unended(search: Search, results: Iterable[Any]) -> list[int]:
    """Trials that neither came to their own end nor were stopped by ASHA.

    Args:
        search: with the trials' records.
        results: what Ray's fit returned.
    """
    ended = {trial.number for trial in search.recorded() if trial.finished}
    # Ray calls "terminated" also what it left early; "done" it says of the others alone.
    told = [result.metrics for result in results if (result.metrics or {}).get("done")]
    ended |= {metrics["config"]["plan"]["number"] for metrics in told}
    return sorted(set(range(search.trials)) - ended)


def most_epochs(search: Search) -> int:
    """The largest number of epochs of any trial: what ASHA's rungs are laid out over."""
    drawn = {repr(s["epochs"]): s["epochs"] for s in search.planned() if "epochs" in s}
    given = [{"epochs": value} for value in drawn.values()] or [{}]
    return max(_epochs(search.task, settings) for settings in given)


def _epochs(task: Task, settings: Settings) -> int:
    try:
        return int(task.config(settings)["epochs"])
    except UserError:
        return 1  # its trial fails at once and says why


def _work(config: dict[str, Any], *, task: Task, tables: AtomicTables, metric: str) -> None:
    """One trial, inside a process of Ray's."""
    import torch
    from ray.air import session

    settings: Settings = dict(config["plan"])
    number = settings.pop("number")
    torch.set_num_threads(max(1, int(session.get_trial_resources().head_cpus)))

    def report(epoch: int, metrics: dict[str, float]) -> None:
        session.report({"epoch": epoch, metric: metrics[metric]})

    on_gpu = replace(task, fixed=task.fixed | given_gpus())
    run_trial(on_gpu, tables, number, settings, report)
