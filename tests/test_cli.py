"""What a stranger meets at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recbole_a2d import cli
from recbole_a2d.cli import COMMANDS, main
from recbole_a2d.command_line import split_pairs
from recbole_a2d.errors import UserError

ROOT = Path(__file__).parents[1]


def quick(shop_data: Path, tmp_path: Path) -> list[str]:
    return [
        f"--data_path={shop_data}",
        "--results_dir",
        str(tmp_path / "results"),
        f"--checkpoint_dir={tmp_path / 'saved'}",
        "--epochs=1",
        "--embedding_size",
        "8",
    ]


def test_run_prints_figures(
    shop_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--dataset", "shop", "--model=STAMP", *quick(shop_data, tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "STAMP on shop (clean" in printed
    assert "MRR" in printed
    assert len(list((tmp_path / "results" / "records").glob("shop-STAMP-*.json"))) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "shop", "--learning_rat=1"], "learning_rate"),
        (["--dataset", "shop", "--model", "SRGN"], "SRGNN"),
        (["--dataset", "tmal", "--data_path=nowhere"], "convert SOURCE"),
        (["--model", "Pop"], "--dataset is missing"),
        (["--dataset"], "needs a value"),
        (["--dataset", "shop", "stray"], "cannot place 'stray'"),
        (["trian"], "unknown command 'trian'"),
        (["--dataset", "shop", "--epochs=[1,"], "not valid yaml"),
        (["--dataset", "shop", "--config", "missing.yaml"], "missing.yaml"),
        (["table", "--results", "nowhere"], "no records"),
        (["report", "--results", "nowhere"], "no records"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert message in printed.err
    assert not list(tmp_path.iterdir()), "nothing may be written"


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["run", "--help"], ["table", "--help"], ["--models"]]
)
def test_help_texts(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "A2D" in capsys.readouterr().out or words == ["table", "--help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_short_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):  # argparse's way
        assert main([command, "-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: ")


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    ours, others = capsys.readouterr().out.splitlines()
    assert ours.startswith(f"recbole_a2d {metadata.version('recbole_a2d')}")
    assert f"torch {torch.__version__}" in others and "recbole 1.2.1" in others


def test_table_and_report(
    shop_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("Pop", "SKNN"):
        assert main(["--dataset=shop", f"--model={model}", *quick(shop_data, tmp_path)]) == 0
    capsys.readouterr()
    results = str(tmp_path / "results")
    assert main(["table", "--results", results]) == 0
    table = capsys.readouterr().out
    assert "| SKNN |" in table and "| Pop |" in table and "**" in table
    assert main(["report", "--results", results]) == 0
    page = (tmp_path / "results" / "report.html").read_text()
    assert "SKNN" in page and "Plotly.newPlot" in page
    assert 'src="http' not in page


GOES_ON = "stopped; the same command goes on from the last finished epoch\n"
GOES_ON_WITHOUT = "stopped; given without --fresh it goes on from the last finished epoch\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--dataset", "shop"], GOES_ON),
        (["run", "--dataset", "shop"], GOES_ON),
        (["benchmark", "smoke"], GOES_ON),
        (["--dataset", "shop", "--fresh"], GOES_ON_WITHOUT),
        (["tune", "--dataset", "shop", "--fresh"], GOES_ON_WITHOUT),
        (["tune", "--dataset", "shop"], GOES_ON),
        *[
            ([name], "interrupted\n")
            for name in ("convert", "demo", "recommend", "report", "table")
        ],
    ],
)
def test_stopped_by_hand(
    words: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(_: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", lambda _: SimpleNamespace(main=stop))
    assert main(words) == 130
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("command", ["demo", "report", "table"])
def test_unknown_options_are_refused(
    command: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recbole_a2d.demo._convert", lambda out: pytest.fail("demo began"))
    assert main([command, "--outt", "elsewhere"]) == 2
    told = f"error: unknown option --outt; {command} --help lists them\n"
    assert capsys.readouterr() == ("", told)


def test_a_flag_takes_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "shop", "--fresh=false"]) == 2
    assert capsys.readouterr().err.startswith("error: --fresh takes no value")


def test_both_spellings_of_an_option() -> None:
    assert split_pairs(["--a=1", "--b", "-2", "--c=x=y"]) == [("a", "1"), ("b", "-2"), ("c", "x=y")]
    with pytest.raises(UserError, match="cannot place"):
        split_pairs(["a=1"])


def test_script_runs_from_a_checkout() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_recbole_a2d.py"), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "run_recbole_a2d.py --dataset shop" in done.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_stops_early_is_no_error(unbuffered: str) -> None:
    command = [sys.executable, str(ROOT / "run_recbole_a2d.py"), "--help"]
    pipe, environment = subprocess.PIPE, os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
