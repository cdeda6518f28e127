"""Searches: validation alone decides, a kill changes nothing, exhaustive means all."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d import convert
from recbole_a2d.config import build_config
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.errors import UserError
from recbole_a2d.tune import hyperopt_engine, search, trial
from recbole_a2d.tune.command import main
from recbole_a2d.tune.space import Parameter, SearchSpace
from recbole_a2d.yaml_files import read_yaml

QUICK = ["--epochs=2", "--train_batch_size=64", "--embedding_size=8", "--show_progress=false"]


def tune(*words: str, model: str = "GRU4Rec", space: str = "") -> None:
    Path("s.hyper").write_text(space or "learning_rate choice [1e-6,0.02,0.05]\n")
    main(["--dataset=shop", f"--model={model}", "--space=s.hyper", *QUICK, *words])


def trials(folder: Path) -> list[dict[str, Any]]:
    found = sorted(folder.glob("results/tune/*/trials/*.json"))
    return [json.loads(path.read_text()) for path in found]


def without_time(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record | {"seconds": 0} for record in records]


def test_exhaustive_tries_all_and_keeps_the_best(home: Path) -> None:
    # long enough that learning beats the luck of a model that has not learned
    tune("--algo=exhaustive", "--epochs=20", "--embedding_size=32")
    records = trials(home)
    assert [record["settings"]["learning_rate"] for record in records] == [1e-6, 0.02, 0.05]
    best = max(records, key=lambda r: max(epoch["mrr@20"] for epoch in r["history"]))
    (written,) = home.glob("results/tune/*/best.yaml")
    assert read_yaml(written)["learning_rate"] == best["settings"]["learning_rate"] != 1e-6
    assert build_config("GRU4Rec", "shop", config_files=[written])["epochs"] == 20
    page = written.with_name("search.html").read_text()
    assert '"type":"parcoords"' in page and "<script src" not in page and "<link" not in page[:9999]
    assert not list(home.glob("saved/tune/*")), "nothing of a finished search is left in saved/"


def test_a_large_grid_is_searched_to_its_last_corner(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RecBole draws combinations until 1000 are old, and stops after 10 without progress."""
    tried: list[tuple[int, int]] = []

    def fake(task: Any, tables: Any, number: int, settings: Any) -> trial.Trial:
        tried.append((settings["train_batch_size"], settings["eval_batch_size"]))
        done = trial.Trial(number, settings, trial.DONE, [{"mrr@20": float(settings == {})}])
        task.write(done)
        return done

    monkeypatch.setattr(hyperopt_engine, "run_trial", fake)
    grid = "\n".join(f"{key}_batch_size choice {list(range(1, 11))}" for key in ("train", "eval"))
    Path("s.hyper").write_text(grid)
    main(["--dataset=shop", "--model=GRU4Rec", "--space=s.hyper", "--algo=exhaustive"])
    assert sorted(tried) == [(a, b) for a in range(1, 11) for b in range(1, 11)]


def test_test_sessions_change_nothing(home: Path, shop_data: Path) -> None:
    """A signal planted in the test file: every test session repeats what training never does."""

    def search_of(planted: bool) -> list[dict[str, Any]]:
        folder = home / str(planted) / "shop"
        folder.mkdir(parents=True)
        for path in (shop_data / "shop").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        if planted:
            (folder / "shop.json").unlink()
            item = (folder / "shop.item").read_text().splitlines()[-1].split("\t")[0]
            clicks = (f"t{s}\t{i}\t0\n" for s in range(50) for i in (item, "new", item, item))
            head = "session_id:token\titem_id:token\ttimestamp:float\n"
            (folder / "shop.test.inter").write_text(head + "".join(clicks))
        os.chdir(home / str(planted))
        space = "learning_rate loguniform -12,-2"
        tune(f"--data_path={home / str(planted)}", "--trials=4", space=space)
        return without_time(trials(Path.cwd()))

    assert search_of(False) == search_of(True)
    plain, planted = (
        next((home / str(planted)).glob("results/tune/*/best.yaml")).read_text()
        for planted in (False, True)
    )
    assert plain == planted


def test_the_test_sessions_are_not_even_there(home: Path) -> None:
    tables = read_atomic(home / "dataset_atomic" / "shop")
    seen = trial.without_test(tables)
    with pytest.raises(KeyError):
        _ = seen.test
    assert len(seen.item_tokens) == tables.n_training_items
    task = trial.Task("GRU4Rec", "shop", {}, home / "r", home / "s")
    with pytest.raises(ValueError, match="must not be given the test"):
        trial.run_trial(task, tables, 0, {})


KILLED = ["--dataset=shop", "--model=GRU4Rec", "--space=s.hyper", *QUICK]
KILLED += ["--epochs=8", "--stopping_step=9"]


def test_a_killed_search_ends_as_if_it_had_not_been(home: Path, killed: Any) -> None:
    words = [*KILLED, "--trials=4"]
    for name in ("killed", "whole"):
        (home / name).mkdir()
        (home / name / "s.hyper").write_text("learning_rate loguniform -6,-2\n")
        (home / name / "dataset_atomic").symlink_to(home / "dataset_atomic")
    before = killed(home / "killed", words)
    half = next(r for r in before.values() if r["status"] == "running")
    assert 0 < len(half["history"]) < 8
    epochs = []
    for name in ("killed", "whole"):
        os.chdir(home / name)
        main(words)
        epochs.append(without_time(trials(home / name)))
    assert len(epochs[0]) == 4
    assert epochs[0] == epochs[1]
    done = [r for r in before.values() if r["status"] == "done"]
    assert all(trials(home / "killed")[r["number"]] == r for r in done), "not run again"


def test_a_trial_in_flight_goes_on_from_its_last_epoch(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kill(BaseException):
        pass

    tables = trial.without_test(read_atomic(home / "dataset_atomic" / "shop"))
    fixed = dict(pair[2:].split("=") for pair in QUICK)
    typed = {key: int(value) for key, value in fixed.items() if value.isdigit()}
    task = trial.Task("GRU4Rec", "shop", typed | {"epochs": 3}, home / "r", home / "s")

    def killed_after_two(epoch: int, metrics: Any) -> None:
        if epoch == 2:
            raise Kill

    with pytest.raises(Kill):
        trial.run_trial(task, tables, 0, {"learning_rate": 0.02}, killed_after_two)
    told: list[int] = []
    trained: list[int] = []
    real = trial.SessionTrainer._run_epoch

    def counted(self: Any, *data: Any) -> Any:
        trained.append(self.progress.next_epoch)
        return real(self, *data)

    monkeypatch.setattr(trial.SessionTrainer, "_run_epoch", counted)
    ended = trial.run_trial(
        task, tables, 0, {"learning_rate": 0.02}, lambda epoch, _: told.append(epoch)
    )
    assert trained == [2] and told == [1, 2, 3]
    assert ended.status == "done" and len(ended.history) == 3


def a_task(home: Path, **changes: Any) -> tuple[trial.Task, Any]:
    tables = trial.without_test(read_atomic(home / "dataset_atomic" / "shop"))
    fixed = {"epochs": 3, "train_batch_size": 64, "embedding_size": 8, "show_progress": False}
    return trial.Task("GRU4Rec", "shop", fixed | changes, home / "r", home / "s"), tables


def test_a_stopped_trial_of_an_ended_search_is_not_trained_again(home: Path) -> None:
    """Its weights went with the search's end: it would begin anew and count from epoch 1."""
    task, tables = a_task(home)
    stopped = trial.Trial(0, {"learning_rate": 0.02}, trial.STOPPED, [{"mrr@20": 0.1}] * 2)
    task.write(stopped)
    told: list[int] = []
    again = trial.run_trial(task, tables, 0, stopped.settings, lambda epoch, _: told.append(epoch))
    assert told == [1, 2] and again == stopped == task.read(0)


def test_a_damaged_last_state_is_no_fault_of_the_settings(home: Path) -> None:
    task, tables = a_task(home, epochs=1)
    whole = trial.run_trial(task, tables, 0, {"learning_rate": 0.02})
    task.write(trial.Trial(1, {"learning_rate": 0.02}))
    (home / "s" / "0001").mkdir(parents=True)
    (home / "s" / "0001" / "last.pt").write_bytes(b"cut short")
    found = trial.run_trial(task, tables, 1, {"learning_rate": 0.02})
    assert found.status == trial.DONE and found.history == whole.history


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"history": 5}, "history is 5"),
        ({"history": [{"mrr@20": "a"}]}, "history is"),
        ({"history": [{"x": 1}]}, "an epoch has no mrr@20"),
        ({"settings": 3}, "settings is 3"),
        ({"settings": {}}, "the space has no settings {}"),
        ({"settings": {"learning_rate": 77}}, "the space has no settings"),
        ({"number": 7}, "it is of number 7"),
        ({"status": "gone"}, "status is 'gone'"),
        ({"seconds": None}, "seconds is None"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_record_of_a_trial_is_told(change: Any, told: str, home: Path) -> None:
    task, _ = a_task(home)
    rates = Parameter("learning_rate", "choice", (0.02, 0.05))
    searched = search.Search(task, SearchSpace((rates,)), "hyperopt", "random", 2)
    task.write(trial.Trial(0, {"learning_rate": 0.02}, trial.DONE, [{"mrr@20": 0.5}]))
    content = json.loads(task.path(0).read_text())
    task.path(0).write_text(change if isinstance(change, str) else json.dumps(content | change))
    place = f"{task.path(0)}: not a trial "
    with pytest.raises(UserError, match=f"{re.escape(place)}.*{re.escape(told)}.*; delete it"):
        hyperopt_engine.run(searched)


@pytest.mark.parametrize(
    ("model", "without", "told"),
    [
        ("GRU4Rec", "valid", "shop: no validation session has two clicks"),
        ("A2DMTL", "categories", "A2DMTL needs item categories and shop has none"),
    ],
)
def test_data_that_no_trial_can_use_are_told_before_any(
    model: str, without: str, told: str, home: Path, shop_data: Path
) -> None:
    folder = home / "other" / "shop"
    shutil.copytree(shop_data / "shop", folder)
    (folder / "shop.json").unlink()
    file = folder / ("shop.valid.inter" if without == "valid" else "shop.item")
    head, *rest = file.read_text().splitlines()
    bare = [line.split("\t")[0] + "\t" for line in rest] if without == "categories" else []
    file.write_text("\n".join([head, *bare]) + "\n")
    space = "learning_rate choice [0.02]\n"
    with pytest.raises(UserError, match=f"^{told}"):
        tune(f"--data_path={folder.parent}", "--trials=2", model=model, space=space)
    assert not (home / "results").exists()


def test_the_greatest_seed_is_one_too(home: Path) -> None:
    tune("--algo=bayes", "--trials=2", "--epochs=1", f"--seed={2**32 - 1}")
    assert len(trials(home)) == 2


def test_what_is_wrong_in_a_file_of_settings_is_said_of_the_file(home: Path) -> None:
    Path("typo.yaml").write_text("epohcs: 3\n")
    with pytest.raises(UserError, match=r"unknown key 'epohcs' in typo\.yaml; did you mean"):
        tune("--config=typo.yaml")
    Path("own.yaml").write_text("epochs: 9\nembedding_size: 4\n")
    tune("--config=own.yaml", "--algo=random", "--trials=1")
    (written,) = home.glob("results/tune/*/best.yaml")
    found = read_yaml(written)
    assert (found["epochs"], found["embedding_size"]) == (2, 8), "the command line is stronger"


def test_the_command_in_the_best_settings_works_where_the_search_was_started(home: Path) -> None:
    tune("--algo=random", "--trials=1", "--epochs=1")
    (written,) = home.glob("results/tune/*/best.yaml")
    (command,) = (line for line in written.read_text().splitlines() if "run_recbole" in line)
    (file,) = (w.removeprefix("--config=") for w in shlex.split(command) if "--config=" in w)
    assert Path(file).samefile(written)


def test_more_trials_add_to_a_search(home: Path) -> None:
    tune("--algo=random", "--trials=1")
    first = trials(home)
    tune("--algo=random", "--trials=3")
    assert trials(home)[:1] == first and len(trials(home)) == 3


def test_methods_without_training_are_searched_too(home: Path) -> None:
    tune("--algo=exhaustive", model="SR", space="max_steps choice [1,5]\n")
    assert [len(record["history"]) for record in trials(home)] == [1, 1]


def test_refused_settings_fail_a_trial_and_not_the_search(home: Path) -> None:
    tune("--algo=exhaustive", model="MiaSRec", space="n_heads choice [3,2]\n")
    assert [record["status"] for record in trials(home)] == ["failed", "done"]
    with pytest.raises(UserError, match="no trial came to a result"):
        tune("--algo=exhaustive", model="MiaSRec", space="n_heads choice [3,5]\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--engine=grid"], "choose one of"),
        (["--engine=ray", "--algo=bayes"], "nothing for ray"),
        (["--algo=exhaustive", "--trials=3"], "leave --trials out"),
        (["--trials=0"], "at least 1"),
        (["--trials=x"], "at least 1"),
        (["--learning_rate=1"], "given and searched"),
        (["--learnrate=1"], "unknown key"),
        (["--cpus=2"], "--engine=ray"),
        (["--engine=ray", "--cpus=-1"], "whole number of at least 1"),
        (["--engine=ray", "--cpus=1.5"], "whole number of at least 1"),
        (["--engine=ray", "--gpus=-1"], "number of at least 0"),
        (["--engine=ray", "--gpus=.nan"], "number of at least 0"),
    ],
)
def test_bad_options(words: list[str], told: str, home: Path) -> None:
    with pytest.raises(UserError, match=told):
        tune(*words)
    assert not (home / "results").exists()


def test_unknown_key_in_the_space(home: Path) -> None:
    with pytest.raises(UserError, match=r"\.hyper; did you mean: learning_rate"):
        tune(space="learningrate choice [1]\n")
    assert not (home / "results").exists()


@pytest.mark.parametrize("space", [[], ["--space=GRU4Rec"]])
def test_an_unknown_model_is_named_before_its_space(space: list[str]) -> None:
    with pytest.raises(UserError, match="unknown model 'GRU4Rex'; nearest: GRU4Rec"):
        main(["--dataset=shop", "--model=GRU4Rex", *space])


@pytest.mark.parametrize("option", ["results_dir", "checkpoint_dir"])
def test_places_that_cannot_be_written_to_are_told_at_the_start(option: str, home: Path) -> None:
    (home / "taken").write_text("")
    told = rf"{home / 'taken' / 'in'}: cannot be written to \(.*\); choose --{option}"
    with pytest.raises(UserError, match=told):
        tune(f"--{option}={home / 'taken' / 'in'}")
    assert not trials(home)


def test_a_search_in_other_hands_is_refused(home: Path) -> None:
    tune("--algo=exhaustive")
    (folder,) = home.glob("results/tune/*")
    before = trials(home)
    lock = home / "saved" / ".locks" / "tune" / folder.name
    with lock.open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=f"{folder.name}: another process is at it; wait"):
            tune("--algo=exhaustive", "--fresh")
    assert trials(home) == before, "nothing of theirs is forgotten"
    tune("--algo=exhaustive", "--fresh")
    assert [t["seconds"] for t in trials(home)] != [t["seconds"] for t in before]


def test_trials_of_other_data_do_not_count(home: Path) -> None:
    convert.main(["shop", "--sessions", "200", "--out", str(home / "other" / "shop")])
    tune("--algo=random", "--trials=1")
    before = trials(home)
    other = f"--data_path={home / 'other'}"
    with pytest.raises(UserError, match=r"made from other data .*; --fresh trains again"):
        tune("--algo=random", "--trials=2", other)
    assert trials(home) == before
    tune("--algo=random", "--trials=2", other, "--fresh")
    tune("--algo=random", "--trials=2", other)
    assert len(trials(home)) == 2
    assert trials(home)[0]["history"] != before[0]["history"]


def test_another_test_file_is_no_other_data(home: Path, shop_data: Path) -> None:
    folder = home / "other" / "shop"
    shutil.copytree(shop_data / "shop", folder)
    test = folder / "shop.test.inter"
    test.write_text("".join(test.read_text().splitlines(keepends=True)[:-20]))
    (folder / "shop.json").unlink()
    tune("--algo=random", "--trials=1")
    before = trials(home)
    tune("--algo=random", "--trials=1", f"--data_path={folder.parent}")
    assert trials(home) == before


def test_best_of_equals_is_the_first() -> None:
    scores = [0.1, 0.3, 0.3]
    made = [trial.Trial(n, {}, trial.DONE, [{"m": score}]) for n, score in enumerate(scores)]
    made.append(trial.Trial(3, {}, trial.FAILED, [{"m": 0.9}]))
    best = search.best_trial(made, "m")
    assert best is not None and best.number == 1


def test_hyperopt_gets_back_what_it_drew() -> None:
    space = SearchSpace(
        (Parameter("a", "choice", ([1], [2])), Parameter("b", "quniform", (1, 8, 1)))
    )
    drawn = space.from_recbole({"a": 1, "b": 3.0})
    assert drawn == {"a": [2], "b": 3}
    assert [p.to_hyperopt(drawn[p.name]) for p in space.parameters] == [1, 3]
