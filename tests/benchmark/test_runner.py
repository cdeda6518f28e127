"""Grids are run once, survive a kill, and one bad cell does not stop the others."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.benchmark import engines, runner
from recbole_a2d.checkpoint import load_checkpoint
from recbole_a2d.errors import UserError

START = "import sys; from recbole_a2d.benchmark.runner import main; main(sys.argv[1:])"


def words(shop_data: Path, tmp_path: Path, *more: str) -> list[str]:
    return [
        "table2",
        "--dataset=shop",
        f"--data_path={shop_data}",
        f"--results_dir={tmp_path / 'results'}",
        f"--checkpoint_dir={tmp_path / 'saved'}",
        "--show_progress=false",
        "--embedding_size=8",
        *more,
    ]


def records_in(tmp_path: Path) -> dict[str, dict[str, Any]]:
    paths = sorted((tmp_path / "results" / "records").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in paths}


def test_finished_cells_are_skipped(
    shop_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runner.main(words(shop_data, tmp_path, "--models=Pop,SPop"))
    assert len(records_in(tmp_path)) == 2
    ran: list[str] = []
    run_cell = engines.run_cell
    monkeypatch.setattr(
        engines, "run_cell", lambda cell, command: ran.append(cell.model) or run_cell(cell, command)
    )
    runner.main(words(shop_data, tmp_path, "--models=Pop,SPop,SR"))
    assert ran == ["SR"]
    assert "1 of 3 cells left, about 0 s" in capsys.readouterr().out


def test_plan_runs_nothing(
    shop_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.main(words(shop_data, tmp_path, "--plan", "--seeds=1,2", "--models=GRU4Rec"))
    assert "shop GRU4Rec (RecBole) embedding_size=8 seed=2  to do" in capsys.readouterr().out
    assert not records_in(tmp_path)


def test_a_file_says_where_a_grid_reads_and_writes(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "own.yaml"
    file.write_text(f"data_path: {shop_data}\nresults_dir: theirs\ncheckpoint_dir: kept\n")
    given = ["table2", "--dataset=shop", f"--config={file}", "--models=Pop"]
    runner.main([*given, "--checkpoint_dir=saved"])
    assert len(list((tmp_path / "theirs" / "records").iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.yaml", "saved", "theirs"]


def test_a_failing_cell_does_not_stop_the_others(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_a2d import experiment

    run_experiment = experiment.run_experiment

    def breaking(config: Any, model: str, **options: Any) -> Any:
        if model == "SPop":
            raise RuntimeError("out of luck")
        return run_experiment(config, model, **options)

    monkeypatch.setattr(experiment, "run_experiment", breaking)
    with pytest.raises(UserError, match=r"1 of 3 cells failed: shop-SPop-\w+ \(.*out of luck"):
        runner.main(words(shop_data, tmp_path, "--models=Pop,SPop,SR"))
    assert [record["model"] for record in records_in(tmp_path).values()] == ["Pop", "SR"]


def test_what_goes_wrong_meanwhile_ends_no_grid(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A damaged record that comes to lie there, and one that a cell is looked up among."""
    run_cell, records = engines.run_cell, tmp_path / "results" / "records"

    def damaging(cell: Any, command: str) -> Any:
        outcome = run_cell(cell, command)
        for name in ("other.json", "shop-SPop-00000000.json"):
            (records / name).write_text("{")
        return outcome

    monkeypatch.setattr(engines, "run_cell", damaging)
    with (
        caplog.at_level(logging.INFO, "recbole_a2d"),
        pytest.raises(UserError, match=r"1 of 3 cells failed: shop-SPop \(.*00000000\.json: not a"),
    ):
        runner.main(words(shop_data, tmp_path, "--models=Pop,SPop,SR"))
    assert "2 of 3 cells left; no estimate (" in caplog.text
    assert sorted(path.name[:8] for path in records.glob("shop-*")) == [
        "shop-Pop",
        "shop-SPo",
        "shop-SR-",
    ]


def test_progress_counts_all_cells(shop_data: Path, tmp_path: Path, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "recbole_a2d"):
        runner.main(words(shop_data, tmp_path, "--models=Pop,SPop,SR"))
    assert [f"{left} of 3 cells left" in caplog.text for left in (2, 1)] == [True, True]


def test_errors_of_many_lines_are_told_in_one(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_a2d import experiment

    def breaking(*_: Any, **__: Any) -> Any:
        raise RuntimeError("sizes differ:\n  this\n  and that")

    monkeypatch.setattr(experiment, "run_experiment", breaking)
    with pytest.raises(UserError, match="RuntimeError: sizes differ: this and that"):
        runner.main(words(shop_data, tmp_path, "--models=Pop"))


def test_a_cell_in_other_hands_is_left_to_them(
    shop_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = words(shop_data, tmp_path, "--models=Pop")
    cells = runner._cells(runner.parse(arguments))
    lock = tmp_path / "saved" / ".locks" / runner.plan(cells, [])[0].run
    lock.parent.mkdir(parents=True)
    with lock.open("w") as theirs, caplog.at_level(logging.INFO, "recbole_a2d"):
        fcntl.flock(theirs, fcntl.LOCK_EX)
        runner.main(arguments)
    assert "another process is at it" in caplog.text
    assert not records_in(tmp_path)
    runner.main(arguments)
    assert len(records_in(tmp_path)) == 1


def test_the_records_command_makes_it_again(shop_data: Path, tmp_path: Path) -> None:
    from recbole_a2d.cli import main

    runner.main(words(shop_data, tmp_path, "--models=Pop", "--seeds=4"))
    ((run, record),) = records_in(tmp_path).items()
    (tmp_path / "results" / "records" / f"{run}.json").unlink()
    assert record["command"].startswith("python run_recbole_a2d.py --dataset shop --model Pop")
    assert main(record["command"].split()[2:]) == 0
    assert list(records_in(tmp_path)) == [run]


def test_kill_minus_nine_loses_at_most_one_epoch(shop_data: Path, tmp_path: Path) -> None:
    options = ("--models=GRU4Rec", "--epochs=8", "--stopping_step=9", "--refit=false")
    arguments = words(shop_data, tmp_path, *options)
    process = subprocess.Popen(
        [sys.executable, "-c", START, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        before = _wait_for_epochs(process, tmp_path, at_least=2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "killed in the middle, not finished before"
    assert not records_in(tmp_path)
    kept = _history(tmp_path)
    assert len(kept) >= len(before), "an epoch that was reported finished is kept"
    runner.main(arguments)
    (record,) = records_in(tmp_path).values()
    told = [{key: epoch[key] for key in kept[0]} for epoch in record["history"]]
    assert [epoch["epoch"] for epoch in told] == list(range(8))
    # Their very seconds are those of the killed process: none of them was trained again.
    assert told[: len(kept)] == kept


def _wait_for_epochs(
    process: subprocess.Popen[bytes], tmp_path: Path, at_least: int
) -> list[dict[str, Any]]:
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        if list((tmp_path / "saved").glob("*/select/last.pt")):
            history = _history(tmp_path)
            if len(history) >= at_least:
                return history
        time.sleep(0.02)
    raise AssertionError(f"no {at_least} epochs before the process ended or 60 s passed")


def _history(tmp_path: Path) -> list[dict[str, Any]]:
    (path,) = (tmp_path / "saved").glob("*/select/last.pt")
    return load_checkpoint(path)[1]["history"]


def test_ray_runs_the_cells(shop_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    options = ("--models=Pop,A2DMTL:wo_cate", "--engine=ray", "--epochs=1", "--refit=false")
    runner.main(words(shop_data, tmp_path, *options))
    found = records_in(tmp_path).values()
    assert [record["model"] for record in found] == ["A2DMTL", "Pop"]
    assert all("run_recbole_a2d.py --dataset shop" in record["command"] for record in found)


@pytest.mark.parametrize("option", ["results_dir", "checkpoint_dir"])
@pytest.mark.parametrize("suite", ["leak", "table2"])
def test_places_that_cannot_be_written_to_are_told_at_the_start(
    suite: str, option: str, shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_engine", lambda *_: pytest.fail("a cell began"))
    monkeypatch.setattr(runner, "_measure_label_shares", lambda _: pytest.fail("measured"))
    (tmp_path / "taken").write_text("")
    place = tmp_path / "taken" / "in"
    _, *rest = words(shop_data, tmp_path, f"--{option}={place}")
    with pytest.raises(UserError, match=rf"{place}: cannot be written to .*; choose --{option}"):
        runner.main([suite, *rest])


def test_nobody_at_the_address(shop_data: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ("--models=Pop", "--engine=ray", f"--address={address}")
    with pytest.raises(UserError, match=f"no Ray cluster at {address}"):
        runner.main(words(shop_data, tmp_path, *options))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which suite\\? table2"),
        (["--plan"], "which suite"),
        (["table2", "--dataset=shop,nope", "--plan"], "no data set 'nope'"),
        (["table9"], "unknown suite 'table9'; suites: table2"),
        (["table2"], "--dataset is missing"),
        (["table2", "--dataset=shop", "--seeds=one"], "'one' is not a whole number"),
        (["table2", "--dataset=shop", "--models=,", "--plan"], "--models: ',' has an empty place"),
        (["table2", "--dataset=shop", "--models=Pop,", "--plan"], "write A or A,B"),
        (["smoke", "--dataset=", "--plan"], "--dataset: '' has an empty place"),
        (["smoke", "--seeds=1,,2", "--plan"], "--seeds: '1,,2' has an empty place"),
        (["table2", "--dataset=shop", "--engine=spark"], "choose local or ray"),
        (["table2", "--dataset=shop", "--address=auto"], "--engine ray"),
        (["table2", "--dataset=shop", "--cpus=2"], "--cpus goes with --engine ray"),
        (["smoke", "--engine=ray", "--cpus=-1"], "'-1' is not a whole number of at least 1"),
        (["table2", "--dataset=shop", "--gpus=1"], "--gpus goes with --engine ray"),
        (["smoke", "--engine=ray", "--gpus=-1"], "'-1' is not a number of at least 0"),
        (["smoke", "--engine=ray", "--cpus=0"], "'0' is not a whole number of at least 1"),
        (["table2", "--dataset=shop", "--learning_rat=1", "--plan"], "learning_rate"),
        (["smoke", "--results_dir=2026", "--plan"], "results_dir is 2026; it must be a word"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        runner.main(arguments)


def test_help_names_the_suites(capsys: pytest.CaptureFixture[str]) -> None:
    runner.main(["--help"])
    printed = capsys.readouterr().out
    assert all(suite in printed for suite in ("table2", "table3", "figure3", "leak", "smoke"))
