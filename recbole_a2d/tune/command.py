"""``tune``: search the settings of a model on the validation sessions."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from recbole_a2d.command_line import Pairs, amount, split_pairs, typed, whole_number
from recbole_a2d.errors import UserError
from recbole_a2d.lock import to_itself
from recbole_a2d.tune.space import SearchSpace, find_space, read_space

TRIALS = 20
FLAGS = frozenset({"help", "fresh"})

HELP = """usage: run_recbole_a2d.py tune --dataset NAME [OPTIONS]

Searches a model's settings on the validation sessions; the test sessions take no part.

  --dataset NAME       folder in dataset_atomic/
  --model NAME         default A2DMTL
  --engine NAME        hyperopt (one trial after the other) or ray (many at once, poor ones
                       stopped early by ASHA); default hyperopt
  --algo NAME          hyperopt: bayes (default), random, exhaustive; ray: random (default),
                       exhaustive
  --trials N           how many (default 20); exhaustive tries every combination
  --space FILE         a .hyper file, or a name in properties/tune; default: the model's own
  --address HOST:PORT  ray: of a running cluster; the folders below must be shared with it
  --cpus N, --gpus X   ray: for each trial; default: as found
  --config FILE        a yaml of settings; may be repeated
  --KEY=VALUE          a setting that is the same in all trials (--epochs=5, --preset=paper)
  --fresh              forget what an earlier search with these settings left

Writes results/tune/SEARCH/best.yaml (for run --config), search.html and a record of each trial.
A search that was cut off goes on when the same command is given again; more --trials add to it."""

_OPTIONS = ("dataset", "model", "engine", "algo", "trials", "space", "address", "cpus", "gpus")


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``.

    Raises:
        UserError: bad options, an unreadable space, no data set, folders that cannot be written
            to, another process at this search, trials of other data, or no trial with a result.
    """
    pairs = split_pairs(arguments, FLAGS)
    if any(key == "help" for key, _ in pairs):
        print(HELP)
        return
    options = {key: value for key, value in pairs if key in _OPTIONS}
    if "dataset" not in options:
        raise UserError("--dataset is missing; 'shop' comes with the package")
    files = [Path(value) for key, value in pairs if key == "config"]
    search = _search(options, files, _given(pairs))
    best = _result(search, options, fresh=("fresh", "true") in pairs)
    found = best.best(search.metric)
    assert found is not None
    print(f"best: trial {best.number + 1}, validation {search.metric} {100 * found[0]:.2f}")
    print("\n".join(f"  {key}: {value}" for key, value in best.settings.items()))
    print(f"yaml: {search.best_file}\nplot: {search.task.folder / 'search.html'}")


def _result(search: Any, options: dict[str, str], *, fresh: bool) -> Any:
    """The best trial of the search, which no other process is at meanwhile."""
    task = search.task
    # tune/ in either folder holds searches alone: the lock lies beside those of the runs.
    results, checkpoints = task.folder.parents[1], task.checkpoints.parents[1]
    with to_itself(results, checkpoints, f"tune/{search.name}"):
        if fresh:
            search.forget()
        search.note_data()
        _run(search, options)
        best = search.close()
        shutil.rmtree(task.checkpoints, ignore_errors=True)
    return best


def _search(options: dict[str, str], files: list[Path], given: dict[str, Any]) -> Any:
    from recbole_a2d.config import build_config, refuse_unknown
    from recbole_a2d.registry import model_class
    from recbole_a2d.tune.search import Search, search_name
    from recbole_a2d.tune.trial import Task
    from recbole_a2d.yaml_files import read_yamls

    model, dataset = options.get("model", "A2DMTL"), options["dataset"]
    model_class(model)  # before its space: an unknown model has none
    file = find_space(options.get("space"), model)
    space = read_space(file)
    engine, algorithm = _method(options)
    trials = _trials(options, space, algorithm)
    # With the files by their names, for what is wrong in them.
    config = build_config(model, dataset, config_files=files, overrides=given)
    fixed = read_yamls(files) | given
    names = [parameter.name for parameter in space.parameters]
    refuse_unknown(names, set(config.external_config_dict), str(file))
    for parameter in space.parameters:
        if parameter.name in fixed:
            raise UserError(f"'{parameter.name}' is given and searched; leave one out")
    name = search_name(model, dataset, engine, algorithm, space, config)
    folder = Path(config["results_dir"]).resolve() / "tune" / name
    checkpoints = Path(config["checkpoint_dir"]).resolve() / "tune" / name
    task = Task(model, dataset, fixed, folder, checkpoints)
    return Search(task, space, engine, algorithm, trials)


def _method(options: dict[str, str]) -> tuple[str, str]:
    from recbole_a2d.tune.search import ALGORITHMS

    engine = options.get("engine", "hyperopt")
    if engine not in ALGORITHMS:
        raise UserError(f"--engine={engine} is unknown; choose one of: {', '.join(ALGORITHMS)}")
    algorithm = options.get("algo", ALGORITHMS[engine][0])
    if algorithm not in ALGORITHMS[engine]:
        known = ", ".join(ALGORITHMS[engine])
        raise UserError(f"--algo={algorithm} is nothing for {engine}; choose one of: {known}")
    for key in ("address", "cpus", "gpus"):
        if key in options and engine != "ray":
            raise UserError(f"--{key} belongs to --engine=ray")
    for read in (_cpus, _gpus):  # a wrong number is told now, not after the data were read
        read(options)
    return engine, algorithm


def _trials(options: dict[str, str], space: SearchSpace, algorithm: str) -> int:
    if algorithm != "exhaustive":
        return whole_number("trials", options.get("trials", str(TRIALS)), least=1)
    if "trials" in options:
        raise UserError("exhaustive tries every combination; leave --trials out")
    return sum(1 for _ in space.grid())


def _given(pairs: Pairs) -> dict[str, Any]:
    """The settings among the options."""
    own = (*_OPTIONS, *FLAGS, "config")
    return {key: typed(key, value) for key, value in pairs if key not in own}


def _cpus(options: dict[str, str]) -> int | None:
    return whole_number("cpus", options["cpus"], least=1) if "cpus" in options else None


def _gpus(options: dict[str, str]) -> float | None:
    return amount("gpus", options["gpus"]) if "gpus" in options else None


def _run(search: Any, options: dict[str, str]) -> None:
    log = logging.getLogger("recbole_a2d")
    log.info("%s\nfolder: %s", search.title, search.task.folder)
    if search.engine == "hyperopt":
        from recbole_a2d.tune import hyperopt_engine

        hyperopt_engine.run(search)
        return
    from recbole_a2d.tune import ray_engine

    ray_engine.run(search, options.get("address"), _cpus(options), _gpus(options))
