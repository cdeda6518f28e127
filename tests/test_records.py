"""Records that were damaged are named, not taken for results."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d import records
from recbole_a2d.cli import main
from recbole_a2d.experiment import run_experiment
from recbole_a2d.records import read_record


@pytest.fixture
def record(shop_config: Any, tmp_path: Path) -> Path:
    """The record of a method that counts."""
    run = run_experiment(shop_config("Pop"), "Pop").run
    return tmp_path / "results" / "records" / f"{run}.json"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("test", {}),
        ("test", {"hit@20": "abc", "mrr@20": 0.1, "ndcg@20": 0.1}),
        ("test", {"hit@20": 0.2, "mrr@20": float("nan"), "ndcg@20": 0.1}),
        ("config", []),
        ("config", None),
        ("seed", "x"),
        ("seed", True),
        ("history", {}),
        ("seconds", "long"),
        ("epochs", 1.5),
        ("run", "another"),
        ("unheard", 1),
        ("config", {"train_fraction": None}),
        ("config", {"train_fraction": 0}),
        ("config", {"category_weight": "much"}),
        ("config", {"category_weight": float("nan")}),
        ("config", {"bank_neighbors": None}),
        ("config", {"bank_neighbors": "many"}),
        ("history", ["x"]),
        ("history", [{"commit": 7}]),
        ("history", [{"epoch": "0", "valid": {"mrr@20": 0.1}}]),
        ("history", [{"epoch": 0, "valid": {"hit@20": 0.1}}]),
        ("history", [{"epoch": 0, "valid": {"mrr@20": None}}]),
        ("history", [{"epoch": 0, "valid": [0.1]}]),
        ("diagnostics", {"click_entropy": "low", "clicks_switched_off": 0.1}),
        ("test", {"hit@20": 0.2, "mrr@20": 0.1, "ndcg@20": 0.1, "hit@5": "x"}),
        ("test", {"hit@20": True, "mrr@20": 0.1, "ndcg@20": 0.1}),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seconds", 10**400),
        ("train_rows", -1),
        ("versions", {"torch": 2}),
        ("commit", None),
    ],
)
def test_damage_is_named(
    field: str, value: Any, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {field: value}))
    for command in ("table", "report"):
        assert main([command, "--results", str(record.parents[1])]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {record}: not a result record of this version (")
        assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '"x"', "[" * 100_000])
def test_what_is_no_record_is_named(
    text: str, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.write_text(text)
    assert main(["table", "--results", str(record.parents[1])]) == 2
    assert f"error: {record}: not a result record" in capsys.readouterr().err


def test_a_record_reads_as_written(record: Path) -> None:
    assert read_record(record).run == record.stem


def test_no_records_of_a_data_set(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--results", str(record.parents[1]), "--dataset", "nope"]) == 2
    assert "has none of 'nope'; there are: shop" in capsys.readouterr().err


def test_commit_of_the_package_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that lies below another project's checkout, and is none of its files, has none."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    (tmp_path / "records.py").write_text("")
    monkeypatch.setattr(records, "__file__", str(tmp_path / "records.py"))
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    assert records.source_commit.__wrapped__() == ""
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "ours"], check=True)
    assert len(records.source_commit.__wrapped__()) == 12


def test_a_git_that_hangs_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(words: list[str], **_: Any) -> None:
        raise subprocess.TimeoutExpired(words, 20)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert records.source_commit.__wrapped__() == ""
