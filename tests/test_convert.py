"""The convert command, from the words of the command line to the folder."""

from __future__ import annotations

import json
import os
import pickle
import re
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from recbole_a2d import cli
from recbole_a2d.convert import build_parser, main, target
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.readers import READERS
from recbole_a2d.errors import UserError

LOG = "s,t,i\n" + "".join(f"{n // 3},{n},{n % 5}\n" for n in range(60))


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny published release, with the working folder beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tiny"
    folder.mkdir()
    contents = {
        "all_train_seq.txt": [[1, 2, 3], [2, 3], [1, 3], [3, 2, 1]],
        "test.txt": ([[1, 9], [1], [9]], [2, 9, 1]),
        "category.txt": {1: 10, 2: 10},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
    return folder


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_from_words_to_folder(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["published", "--raw", str(raw)])
    tables = read_atomic(Path("dataset_atomic/tiny"))
    assert (len(tables.train), len(tables.valid), len(tables.test)) == (3, 1, 2)
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert ["split", "sessions", "clicks", "rows"] in lines
    assert ["train", "3", "7", "4"] in lines
    assert ["valid", "1", "3", "2"] in lines
    assert ["test", "2", "5", "3"] in lines
    assert "warning: 1 of 3 items have no category" in printed.err
    assert "warning: 1 test rows have a target unseen in training" in printed.err
    assert "warning: 1 test rows have no click seen in training" in printed.err


def test_no_validation_sessions_are_warned_of(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["published", "--raw", str(raw), "--valid-fraction", "0"])
    assert "warning: no validation sessions (--valid-fraction 0)" in capsys.readouterr().err


def test_options(raw: Path) -> None:
    main(
        ["published", "--raw", str(raw), "--name", "own", "--valid-fraction", "0.5", "--prefixes"]
        + ["--prefix-length", "1", "--to-text", "text", "--to-npz", "npz"]
    )
    assert len(read_atomic(Path("dataset_atomic/own")).valid) == 2
    rows = Path("dataset_atomic/own/own.prefix_test.inter").read_text().splitlines()[1:]
    assert rows == ["5\t1\t9", "5\t9\t2", "6\t9\t1"]
    for twin in ("text", "npz"):
        main(["published", "--raw", twin, "--out", f"again/{twin}/own", "--valid-fraction", "0.5"])
        again = Path(f"again/{twin}/own/own.train.inter").read_bytes()
        assert again == Path("dataset_atomic/own/own.train.inter").read_bytes()


def spaced_archive(folder: Path) -> Path:
    """Sessions whose ids hold spaces, as an archive may."""
    ids = np.array(["a b", "c", "a b", "c"])
    offsets = np.array([0, 2, 4])
    arrays = {f"{split}_items": ids for split in ("train", "test")}
    arrays |= {f"{split}_offsets": offsets for split in ("train", "test")}
    folder.mkdir()
    np.savez(folder / "sessions.npz", **arrays, category_items=ids[:1], categories=ids[1:2])
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--valid-fraction", "7"], "--valid-fraction"),
        (["--prefixes"], "leave --prefixes out"),
        (["--to-text", "text"], "id 'a b' is not one word, .* --to-npz instead of --to-text"),
        (["--to-text", "log.csv"], "--to-text log.csv is no folder: choose another place"),
        (["--to-npz", "log.csv"], "--to-npz log.csv is no folder: choose another place"),
        (["--to-npz", "tiny"], "holds other files"),
    ],
)
def test_nothing_is_saved_beside_a_data_set_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    spaced_archive(tmp_path / "spaced")
    Path("log.csv").write_text(LOG)
    if words == ["--to-npz", "tiny"]:
        Path("dataset_atomic/spaced").mkdir(parents=True)
        Path("dataset_atomic/spaced/thesis.txt").write_text("mine")
    before = files_below(tmp_path)
    with pytest.raises(UserError, match=message):
        main(["published", "--raw", "spaced", "--to-npz", "npz", *words])
    assert files_below(tmp_path) == before


def test_ids_with_spaces_are_saved_as_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spaced_archive(tmp_path / "spaced")
    main(["published", "--raw", "spaced", "--to-npz", "npz", "--out", "one/toy"])
    main(["published", "--raw", "npz", "--out", "two/toy"])
    assert Path("one/toy/toy.json").read_bytes() == Path("two/toy/toy.json").read_bytes()


def test_a_disk_that_fills_behind_the_data_set(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message does not say that nothing was changed: the data set stands."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "npz/sessions.npz")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match=r"sessions.npz: No space left .*; the data set stands in"):
        main(["published", "--raw", str(raw), "--to-npz", "npz"])
    read_atomic(Path("dataset_atomic/tiny"))
    assert not list(Path("npz").iterdir())


@pytest.mark.parametrize(
    "name", ["../evil", "..", ".", ".hidden", "a/b", "/etc", "a\\b", "a b", "a\n", "é"]
)
def test_names_cannot_leave_the_folder(raw: Path, name: str) -> None:
    before = files_below(raw.parent)
    with pytest.raises(UserError, match="cannot name a data set"):
        main(["published", "--raw", str(raw), "--name", name])
    assert files_below(raw.parent) == before


@pytest.mark.parametrize("name", [".hidden", "a\\b", "a b", "a\n", "\n", "é", "/"])
def test_folders_bear_names_of_data_sets(raw: Path, name: str) -> None:
    before = files_below(raw.parent)
    with pytest.raises(UserError, match="cannot name a data set"):
        main(["published", "--raw", str(raw), "--out", "/" if name == "/" else f"out/{name}"])
    assert files_below(raw.parent) == before


@pytest.mark.parametrize("name", ["..", "../../tiny", "a/../..", "."])
def test_a_folder_of_other_files_is_no_place_to_write(raw: Path, name: str) -> None:
    """Wherever the dots lead: here to the folder of the raw files."""
    (raw / "deep").mkdir()
    os.chdir(raw / "deep" if name != "." else raw)
    before = files_below(raw.parent)
    with pytest.raises(UserError, match="lies in .*, which is replaced as a whole"):
        main(["published", "--raw", str(raw), "--out", name])
    assert files_below(raw.parent) == before


def test_folder_bears_the_name(raw: Path) -> None:
    main(["published", "--raw", str(raw), "--out", "elsewhere/toy"])
    assert read_atomic(Path("elsewhere/toy")).manifest.name == "toy"  # type: ignore[union-attr]
    with pytest.raises(UserError, match="must end in the name of the data set, 'tiny'"):
        main(["published", "--raw", str(raw), "--out", "elsewhere/toy", "--name", "tiny"])


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("shop1/shop1.csv", ["--out", "shop1"]),
        ("shop1/shop1.csv", ["--out", "./x/../shop1/"]),
        ("shop1/shop1.csv.d/log.csv", ["--out", "shop1"]),
        ("dataset_atomic/clicks/clicks.csv", ["--name", "clicks"]),
        ("shop1/shop1.train.inter", ["--out", "shop1"]),
    ],
)
def test_a_raw_log_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, out: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir(parents=True)
    Path(path).write_text(LOG)
    Path("link.csv").symlink_to(path)
    before = files_below(tmp_path)
    columns = ["--session", "s", "--time", "t", "--item", "i"]
    for raw in (path, "link.csv"):
        with pytest.raises(UserError, match=r"^--raw .* lies in .*, which is replaced as a whole:"):
            main(["csv", "--raw", raw, *columns, *out])
    assert files_below(tmp_path) == before
    assert Path(path).read_text() == LOG


def test_further_files_are_not_replaced(tmp_path: Path) -> None:
    """Nor is the folder of the published files, nor are other files that bear its name."""
    out = tmp_path / "toy"
    out.mkdir()
    (out / "toy.item").write_text("mine")
    (tmp_path / "raw").write_text(LOG)
    for source, option in (
        ("diginetica", "--categories"),
        ("tmall", "--user-log"),
        ("published", "--to-text"),
        ("published", "--to-npz"),
        ("ml-100k", "--raw"),
    ):
        path = out if option in ("--to-npz", "--raw") else out / "toy.item"
        words = [] if option == "--raw" else ["--raw", str(tmp_path / "raw")]
        with pytest.raises(UserError, match=f"^{option} {path} lies in {out}, the folder of the"):
            main([source, *words, option, str(path), "--out", str(out)])
    assert files_below(tmp_path) == ["raw", "toy", "toy/toy.item"]
    (out / "toy.csv").write_text(LOG)
    with pytest.raises(UserError, match=r"holds other files \(toy.csv\): it would be replaced"):
        main(["shop", "--sessions", "50", "--out", str(out)])
    assert (out / "toy.item").read_text() == "mine"


def test_a_folder_that_is_a_link(raw: Path) -> None:
    """It is refused by its own name, before anything is read."""
    Path("data").mkdir()
    Path("link").symlink_to("data")
    with pytest.raises(UserError, match=r"link is not a folder but a link: choose another place"):
        main(["published", "--raw", str(raw), "--out", "link"])
    assert Path("link").is_symlink()
    assert not list(Path("data").iterdir())


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("ok.csv", "ok"),
        ("ok.csv.gz", "ok"),
        ("ok.CSV.zip", "ok"),
        ("ok.parquet", "ok"),
        ("ok.2024.tsv", "ok.2024"),
        ("v1.5", "v1.5"),
        ("folder", "folder"),
    ],
)
def test_name_of_a_raw_file_is_without_its_format(raw: str, name: str) -> None:
    expected = (name, Path("dataset_atomic") / name)
    assert target(READERS["csv"], Path("logs", raw), None, None) == expected


def test_bad_input_leaves_the_former_data_and_nothing_else(raw: Path) -> None:
    main(["published", "--raw", str(raw)])
    before = files_below(raw.parent)
    content = Path("dataset_atomic/tiny/tiny.json").read_bytes()
    (raw / "test.txt").write_bytes((raw / "test.txt").read_bytes()[:-3])
    with pytest.raises(UserError, match=r"test.txt is truncated"):
        main(["published", "--raw", str(raw)])
    assert files_below(raw.parent) == before
    assert Path("dataset_atomic/tiny/tiny.json").read_bytes() == content


def test_raw_is_asked_for(raw: Path) -> None:
    with pytest.raises(UserError, match="needs --raw PATH"):
        main(["published"])
    with pytest.raises(UserError, match="holds neither"):
        main(["published", "--raw", "nowhere"])


def test_useless_options_are_refused(raw: Path) -> None:
    before = files_below(raw.parent)
    with pytest.raises(UserError, match="`convert shop` reads no file: leave out --raw nofile"):
        main(["shop", "--raw", "nofile"])
    with pytest.raises(UserError, match="--prefix-length is for --prefixes"):
        main(["published", "--raw", str(raw), "--prefix-length", "5"])
    assert files_below(raw.parent) == before


def test_prefixes_keep_fifty_clicks_by_default(raw: Path) -> None:
    sessions = [list(range(60)), list(range(60))]
    (raw / "all_train_seq.txt").write_bytes(pickle.dumps(sessions))
    main(["published", "--raw", str(raw), "--prefixes"])
    rows = Path("dataset_atomic/tiny/tiny.prefix_train.inter").read_text().splitlines()[1:]
    assert max(len(row.split("\t")[1].split(" ")) for row in rows) == 50


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(raw: Path) -> None:
    Path("locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="Permission denied"):
        main(["published", "--raw", str(raw), "--out", "locked/tiny"])


def test_a_file_where_a_folder_should_be(raw: Path) -> None:
    Path("file").write_text("")
    with pytest.raises(UserError, match="Not a directory"):
        main(["published", "--raw", str(raw), "--out", "file/tiny"])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "does not fit into memory; nothing was changed"),
        (pyarrow.ArrowCapacityError("full"), "more than 2 GiB of different ids in one column"),
    ],
)
def test_a_log_that_is_too_large(
    raw: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(_: Any) -> Any:
        raise error

    monkeypatch.setitem(READERS, "published", replace(READERS["published"], read=fail))
    before = files_below(raw.parent)
    with pytest.raises(UserError, match=message):
        main(["published", "--raw", str(raw)])
    assert files_below(raw.parent) == before


@pytest.mark.parametrize(
    ("words", "message", "where"),
    [
        ([], "required: SOURCE", "convert"),
        (["cvs"], "invalid choice: 'cvs'", "convert"),
        (["shop", "--sede", "3"], "unrecognized arguments: --sede 3", "convert"),
        (["shop", "--see", "3"], "unrecognized arguments: --see 3", "convert"),
        (["shop", "--seed", "x"], "--seed: invalid int value: 'x'", "convert shop"),
        (["csv"], "required: --item, --time", "convert csv"),
        (["diginetica", "--test-days", "abc"], "invalid float value", "convert diginetica"),
        (["csv", "--time-unit", "h"], "--time-unit: invalid choice: 'h'", "convert csv"),
    ],
)
def test_unknown_words_are_one_line(
    words: list[str], message: str, where: str, capsys: Any
) -> None:
    assert cli.main(["convert", *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert line.endswith(f"; run_recbole_a2d.py {where} --help lists the options")


@pytest.mark.parametrize("source", READERS)
def test_every_reader_is_on_the_command_line(source: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main([source, "--help"])
    assert caught.value.code == 0
    own = ArgumentParser(add_help=False)
    READERS[source].add_arguments(own)
    shown = capsys.readouterr().out
    for action in own._actions:
        assert action.option_strings[0] in shown
        assert action.help or action.metavar
    assert source in build_parser().format_help()


@pytest.mark.parametrize("source", READERS)
def test_help_says_what_raw_names(
    source: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file or a folder where both are taken; the one that is taken elsewhere."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([source, "--help"])
    [told] = re.findall(r"--raw PATH +(.*)", capsys.readouterr().out) or [""]
    only = {
        "published": "folder of the published files",
        "ml-100k": "folder of ml-100k.inter and ml-100k.item (optional)",
        "csv": "file of the log",
        "shop": "",
    }
    assert told == only.get(source, "file or folder of the raw log")


def test_help_says_what_the_cut_is_and_what_excludes_what(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["csv", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "exactly at the cut, which is the last date minus the test period" in shown
    assert "excludes --test-fraction" in shown and "excludes --test-days" in shown


def test_manifest_is_plain_json(raw: Path) -> None:
    main(["published", "--raw", str(raw)])
    manifest = json.loads(Path("dataset_atomic/tiny/tiny.json").read_text())
    assert manifest["rows"] == {"train": 4, "valid": 2, "test": 3}
    assert manifest["unseen_target_rows"] == 1
    assert manifest["empty_prefix_rows"] == 1
