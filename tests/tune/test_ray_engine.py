"""Ray Tune: trials in processes of their own, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recbole_a2d.errors import UserError
from recbole_a2d.tune.command import main
from recbole_a2d.tune.ray_engine import _run, most_epochs, unended
from recbole_a2d.tune.search import Search
from recbole_a2d.tune.space import read_space
from recbole_a2d.tune.trial import Task, Trial
from recbole_a2d.yaml_files import read_yaml

WORDS = ["--dataset=shop", "--model=GRU4Rec", "--space=s.hyper", "--engine=ray", "--trials=3"]
WORDS += ["--epochs=12", "--stopping_step=20", "--train_batch_size=16", "--embedding_size=8"]


def result(number: int, **metrics: Any) -> Any:
    """What Ray's fit tells of a trial."""
    return SimpleNamespace(error=None, metrics=metrics | {"config": {"plan": {"number": number}}})


def test_a_search_that_ray_left_early_is_not_at_its_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import tune

    heard: list[str | None] = []

    def fit(tuner: Any) -> list[Any]:
        (task,) = home.glob("saved/tune/*")
        (task / "0001").mkdir()
        (task / "0001" / "last.pt").touch()
        heard.append(os.environ.get("TUNE_DISABLE_SIGINT_HANDLER"))
        untold = SimpleNamespace(error=None, metrics=None)
        return [result(0, done=True), result(1, done=False), untold]

    monkeypatch.setattr(tune.Tuner, "fit", fit)
    Path("s.hyper").write_text("learning_rate choice [1e-6,0.02]\n")
    with pytest.raises(UserError, match="stopped before 2 of 3 trials had ended; the same"):
        main(WORDS)
    assert heard == ["1"], "Ctrl-C is ours"
    assert list(home.glob("saved/tune/*/0001/last.pt")) and not list(home.rglob("best.yaml"))


def test_a_failed_trial_and_a_stopped_one_have_ended(home: Path) -> None:
    Path("s.hyper").write_text("learning_rate choice [0.02]\n")
    task = Task("GRU4Rec", "shop", {}, home / "r", home / "s")
    search = Search(task, read_space(Path("s.hyper")), "ray", "random", 4)
    for number, status in enumerate(("failed", "done", "running", "running")):
        task.write(Trial(number, {"learning_rate": 0.02}, status))
    results = [SimpleNamespace(error=None, metrics={}), result(2, done=True), result(3)]
    assert unended(search, results) == [3]


def test_a_trial_that_has_not_begun_is_not_left_out(home: Path) -> None:
    Path("s.hyper").write_text("learning_rate choice [0.02]\n")
    task = Task("GRU4Rec", "shop", {}, home / "r", home / "s")
    search = Search(task, read_space(Path("s.hyper")), "ray", "random", 2)
    task.write(Trial(0, {"learning_rate": 0.02}, "running", [{"mrr@20": 0.5}]))
    with pytest.raises(UserError, match="1 of 2 trials have not begun"):
        search.close()
    assert [trial.status for trial in search.recorded()] == ["running"]


@pytest.mark.parametrize(
    ("space", "most"),
    [
        ("epochs choice [1,20,3]\n", 20),
        ("epochs quniform 2,6,2\n", 6),
        ("epochs choice ['many',4]\n", 4),
        ("learning_rate choice [0.02]\n", 12),
    ],
)
def test_no_trial_is_cut_at_the_epochs_of_another(space: str, most: int, home: Path) -> None:
    Path("s.hyper").write_text(space)
    fixed = {"epochs": 12} if "epochs" not in space else {}
    task = Task("GRU4Rec", "shop", fixed, home / "r", home / "s")
    search = Search(task, read_space(Path("s.hyper")), "ray", "random", 30)
    assert most_epochs(search) == most


@pytest.mark.skipif(not os.environ.get("SLOW_TESTS"), reason="a minute of Ray: SLOW_TESTS=1")
@pytest.mark.parametrize(
    ("how", "trials"), [(signal.SIGKILL, 3), (signal.SIGINT, 1), (signal.SIGUSR1, 1)]
)
def test_killed_and_resumed(how: signal.Signals, trials: int, home: Path, killed: Any) -> None:
    Path("s.hyper").write_text("learning_rate choice [1e-6,0.02]\ndropout_prob uniform 0.0,0.4\n")
    before = killed(home, [*WORDS, f"--trials={trials}"], how)
    assert {record["status"] for record in before.values()} <= {"running", "done"}
    assert list(home.glob("saved/tune/*/*/last.pt"))
    os.chdir(home)
    main(WORDS)
    paths = sorted(home.glob("results/tune/*/trials/*.json"))
    after = {record["number"]: record for record in map(json.loads, map(Path.read_text, paths))}
    assert sorted(after) == [0, 1, 2]
    for number, record in before.items():
        known = len(record["history"])
        assert after[number]["settings"] == record["settings"]
        assert after[number]["history"][:known] == record["history"], "went on, not anew"
    assert all(record["status"] in ("done", "stopped") for record in after.values())
    scores = {n: max(e["mrr@20"] for e in r["history"]) for n, r in after.items()}
    best = after[max(scores, key=lambda n: (scores[n], -n))]["settings"]
    (written,) = home.glob("results/tune/*/best.yaml")
    assert read_yaml(written)["dropout_prob"] == best["dropout_prob"]
    assert not list(home.glob("saved/tune/*"))


def test_what_the_trials_do_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ray import cloudpickle, tune

    Path("s.hyper").write_text("learning_rate choice [0.02]\n")
    task = Task("GRU4Rec", "shop", {}, home / "r", home / "s")
    search = Search(task, read_space(Path("s.hyper")), "ray", "random", 4)
    settings = {"learning_rate": 0.02}
    task.write(Trial(0, settings, "done", [{"mrr@20": 0.125}]))

    class Tuner:
        def __init__(self, work: Any, *, run_config: Any, **rest: Any) -> None:
            (told,) = run_config.callbacks
            # Ray itself pickles its callbacks and reads them back: this one must come through that
            # whole. The bytes are the test's own, from the line itself.
            self.told = cloudpickle.loads(cloudpickle.dumps(told))

        def fit(self) -> list[Any]:
            for number, status in ((0, "done"), (1, "done"), (2, "running"), (3, "failed")):
                run = SimpleNamespace(config={"plan": {"number": number}})
                metrics = {"epoch": 1, "mrr@20": 0.25} if status != "failed" else {"done": True}
                self.told.on_trial_result(iteration=1, trials=[], trial=run, result=metrics)
                history = [{"mrr@20": 0.25}] if status != "failed" else []
                task.write(Trial(number, settings, status, history, error="why"))
                self.told.on_trial_complete(iteration=1, trials=[], trial=run)
            return [result(2, done=True)]

    monkeypatch.setattr(tune, "Tuner", Tuner)
    monkeypatch.setattr(tune, "with_parameters", lambda work, **rest: work)
    caplog.set_level("INFO", "recbole_a2d")
    _run(search, {"cpu": 1.0, "gpu": 0.0})
    assert [record.message for record in caplog.records] == [
        "trial 2 of 4: epoch  1  valid mrr@20 25.00",
        "trial 2 of 4 done: best mrr@20 25.00, learning_rate:0.02",
        "trial 3 of 4: epoch  1  valid mrr@20 25.00",
        "trial 3 of 4 stopped early: best mrr@20 25.00, learning_rate:0.02",
        "trial 4 failed: why",
    ]


def test_a_cluster_that_is_not_there(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    Path("s.hyper").write_text("learning_rate choice [0.02]\n")
    with pytest.raises(UserError, match=f"no Ray cluster at {address}"):
        main([*WORDS, f"--address={address}"])
