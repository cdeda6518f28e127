"""Nothing in a raw log or in a data set's folder decides where files are written or what runs."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from recbole_a2d import cli
from recbole_a2d.safe_write import replaced_file

HOSTILE_IDS = ["../../up", "/etc/x", "..", "a/b", "C:\\x", "$(touch up)", "`touch up`", "%2e%2e"]
HOSTILE_YAML = """
checkpoint_dir: ../up
results_dir: ../up
epochs: 7
data_path: ../up
evil: !!python/object/apply:os.mkdir [up]
"""


def convert(*words: str) -> int:
    return cli.main(["convert", *words])


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, two below the one in which nothing may appear."""
    folder = tmp_path / "outer" / "inner"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    rows = [f"{HOSTILE_IDS[n // 2 % 8]} {n // 2},{n},{HOSTILE_IDS[n % 8]}" for n in range(160)]
    Path("log.csv").write_text("s,t,i\n" + "\n".join(rows))
    return folder


WORDS = ["csv", "--session", "s", "--time", "t", "--item", "i", "--out", "dataset_atomic/toy"]
FILES = ["toy.item", "toy.json", "toy.test.inter", "toy.train.inter", "toy.valid.inter"]


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def test_ids_and_names_in_an_archive_are_no_paths(inside: Path) -> None:
    with zipfile.ZipFile("log.zip", "w") as archive:
        archive.write("log.csv", "../../up.csv")
    assert convert(*WORDS, "--raw", "log.zip") == 0
    assert cli.main(["run", "--dataset", "toy", "--model", "Pop", "--show_progress", "False"]) == 0
    top_level = {name.split("/")[0] for name in files_below(inside)}
    assert top_level <= {"log.csv", "log.zip", "dataset_atomic", "results", "saved"}
    assert sorted(os.listdir("dataset_atomic/toy")) == FILES
    assert os.listdir(inside.parent) == ["inner"]
    assert os.listdir(inside.parent.parent) == ["outer"]


def test_yaml_in_the_folder_of_a_data_set_is_not_read(inside: Path) -> None:
    convert(*WORDS, "--raw", "log.csv")
    run = ["run", "--dataset", "toy", "--model", "Pop", "--show_progress", "False"]
    assert cli.main(run) == 0
    [record] = Path("results/records").iterdir()  # its name changes with any setting
    for name in ("toy.yaml", "overall.yaml", "Pop.yaml"):
        Path("dataset_atomic/toy", name).write_text(HOSTILE_YAML)
    assert cli.main([*run, "--fresh"]) == 0
    assert list(Path("results/records").iterdir()) == [record]
    assert not Path("up").exists()
    assert os.listdir(inside.parent) == ["inner"]


@pytest.mark.parametrize("name", ["../toy", "toy/../../up", "/toy", "..", ".toy", "to y", "toy/"])
@pytest.mark.parametrize("command", ["run", "tune"])
def test_a_data_set_name_is_no_path(
    inside: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    convert(*WORDS, "--raw", "log.csv")
    before = files_below(inside.parent.parent)
    assert cli.main([command, f"--dataset={name}", "--model=GRU4Rec"]) == 2
    assert "cannot name a data set" in capsys.readouterr().err
    assert files_below(inside.parent.parent) == before


def test_links_left_in_a_folder_are_not_written_through(inside: Path) -> None:
    convert(*WORDS, "--raw", "log.csv", "--name", "toy")
    victim = inside / "victim"
    victim.write_text("mine")
    folder = Path("dataset_atomic/toy")
    (folder / f".toy.json.{os.getpid()}.new").symlink_to(victim)
    (folder / "toy.extra").symlink_to(victim)
    for path in (folder / "toy.json", folder / "toy.extra"):
        with replaced_file(path) as fresh:
            fresh.write_text("theirs")
    assert victim.read_text() == "mine"
    assert (folder / "toy.extra").read_text() == "theirs"


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused(
    inside: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    convert(*WORDS, "--raw", "log.csv")
    path = Path("dataset_atomic/toy", name)
    path.unlink()
    os.mkfifo(path)  # a reader would wait for ever
    assert cli.main(["run", "--dataset", "toy", "--model", "Pop"]) == (0 if "json" in name else 2)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "json" in name or f"{path} is missing" in error


def test_a_raw_log_that_is_no_file(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    os.mkfifo("pipe.parquet")
    for name in ("pipe", "pipe.parquet", "."):
        assert convert(*WORDS, "--raw", name) == 2
        assert "is not a file: give the raw file to --raw" in capsys.readouterr().err
    assert not Path("dataset_atomic").exists()


def test_a_manifest_nested_without_end(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert(*WORDS, "--raw", "log.csv")
    Path("dataset_atomic/toy/toy.json").write_text("[" * 100_000)
    assert cli.main(["run", "--dataset", "toy", "--model", "Pop"]) == 2
    assert "toy.json is not valid JSON" in capsys.readouterr().err
