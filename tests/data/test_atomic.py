"""Atomic files: what is written is read, and nothing else passes for it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d import safe_write
from recbole_a2d.data.atomic import read_atomic, write_atomic
from recbole_a2d.data.tables import SPLITS, ConvertedLog, SessionTables
from recbole_a2d.errors import UserError


def naive_sessions(tables: SessionTables, split: str) -> list[tuple[str, list[tuple[str, float]]]]:
    """Sessions of a split by name, click by click."""
    clicks = tables.splits[split]
    sessions = []
    for number, token in enumerate(clicks.session_tokens):
        start, end = clicks.sessions.offsets[number], clicks.sessions.offsets[number + 1]
        rows = range(start, end)
        items = [tables.item_tokens[clicks.sessions.items[row]] for row in rows]
        sessions.append(
            (token, list(zip(items, (clicks.timestamps[row] for row in rows), strict=True)))
        )
    return sessions


def named_categories(tables: SessionTables) -> dict[str, str]:
    """Item token to category token."""
    return {
        item: tables.category_tokens[code]
        for item, code in zip(tables.item_tokens, tables.category_of_code, strict=True)
        if code >= 0
    }


@pytest.fixture
def written(tmp_path: Path, toy_log: Any) -> tuple[Path, ConvertedLog]:
    log = toy_log([[0, 1, 0], [1, 2], [3, 0]], [[0, 2, 9], [9, 1]], {"i0": "a", "i2": "b"})
    write_atomic(tmp_path / "toy", log)
    return tmp_path / "toy", log


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read(data: st.DataObject, random_logs: Any) -> None:
    log: ConvertedLog = data.draw(random_logs)
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_atomic(Path(folder) / "toy", log)
        tables = read_atomic(Path(folder) / "toy")
    assert tables.manifest == manifest
    assert tables.item_tokens.tolist() == log.item_tokens.tolist()
    assert tables.n_training_items == log.n_training_items
    assert named_categories(tables) == named_categories(log)
    for split in SPLITS:
        assert naive_sessions(tables, split) == naive_sessions(log, split)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_manifest_counts_against_plain_loops(data: st.DataObject, random_logs: Any) -> None:
    log: ConvertedLog = data.draw(random_logs)
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_atomic(Path(folder) / "toy", log)
    seen = {
        item
        for split in ("train", "valid")
        for _, clicks in naive_sessions(log, split)
        for item, _ in clicks
    }
    unseen_targets = empty_prefixes = 0
    for _, clicks in naive_sessions(log, "test"):
        for end in range(1, len(clicks)):
            unseen_targets += clicks[end][0] not in seen
            empty_prefixes += all(item not in seen for item, _ in clicks[:end])
    assert manifest.items == len(seen)
    assert manifest.unseen_target_rows == unseen_targets
    assert manifest.empty_prefix_rows == empty_prefixes
    categories = named_categories(log)
    assert set(categories) <= seen
    assert manifest.categories == len(set(categories.values()))
    assert manifest.items_without_category == len(seen) - len(categories)
    for split in SPLITS:
        lengths = [len(clicks) for _, clicks in naive_sessions(log, split)]
        assert manifest.sessions[split] == len(lengths)
        assert manifest.clicks[split] == sum(lengths)
        assert manifest.rows[split] == sum(length - 1 for length in lengths)


def test_layout_of_the_files(written: tuple[Path, ConvertedLog]) -> None:
    folder, _ = written
    assert sorted(path.name for path in folder.iterdir()) == [
        "toy.item",
        "toy.json",
        "toy.test.inter",
        "toy.train.inter",
        "toy.valid.inter",
    ]
    assert (folder / "toy.train.inter").read_text() == (
        "session_id:token\titem_id:token\ttimestamp:float\n"
        "s0\ti0\t0\ns0\ti1\t1\ns0\ti0\t2\ns1\ti1\t3\ns1\ti2\t4\n"
    )
    assert (folder / "toy.item").read_text() == (
        "item_id:token\tcategory:token\ni0\ta\ni1\t\ni2\tb\ni3\t\n"
    )


def test_the_same_log_gives_the_same_bytes(written: tuple[Path, ConvertedLog]) -> None:
    folder, log = written
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_atomic(folder, log)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_times_and_order_survive_at_full_precision(tmp_path: Path, toy_log: Any) -> None:
    log = toy_log([[0, 1], [1, 0]], [[0, 1]])
    log.splits["train"].timestamps[:] = [1700000000.25, 0.1]
    write_atomic(tmp_path / "toy", log)
    times = read_atomic(tmp_path / "toy").splits["train"].timestamps
    assert times.tolist() == [1700000000.25, 0.1]


def test_words_that_mean_missing_elsewhere_are_plain_tokens(tmp_path: Path, toy_log: Any) -> None:
    log = toy_log([[0, 1], [2, 3]], [[0, 1]], {"NA": "null", 'a"b': "nan"})
    log.item_tokens[:] = ["NA", "null", "", 'a"b'][:2] + ["1e5", 'a"b']
    write_atomic(tmp_path / "toy", log)
    assert read_atomic(tmp_path / "toy").item_tokens.tolist() == ["NA", "null", "1e5", 'a"b']


@pytest.mark.parametrize("token", ["", "a\tb", "a\nb", "a\rb", "a\0", "\ud800"])
def test_tokens_that_no_file_can_hold(tmp_path: Path, toy_log: Any, token: str) -> None:
    log = toy_log([[0, 1], [1, 0]], [[0, 1]])
    log.item_tokens[1] = token
    with pytest.raises(UserError, match=r"item id .* of toy"):
        write_atomic(tmp_path / "toy", log)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------ broken folders


@pytest.mark.parametrize(
    "name", ["toy.train.inter", "toy.valid.inter", "toy.test.inter", "toy.item"]
)
@pytest.mark.parametrize("with_manifest", [True, False])
def test_missing_file(written: Any, name: str, with_manifest: bool) -> None:
    folder, _ = written
    (folder / name).unlink()
    if not with_manifest:
        (folder / "toy.json").unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        read_atomic(folder)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `convert` first"):
        read_atomic(tmp_path / "toy")


@pytest.mark.parametrize(
    "name", ["toy.train.inter", "toy.valid.inter", "toy.test.inter", "toy.item"]
)
@pytest.mark.parametrize("keep", [0.0, 0.5, -1])
def test_truncated_file(written: Any, name: str, keep: float) -> None:
    folder, _ = written
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] if keep < 0 else content[: int(len(content) * keep)])
    with pytest.raises(UserError, match=rf"{name} is truncated or was edited"):
        read_atomic(folder)


FAULTS = [
    ("train.inter", "session_id:token", "session:token", r"line 1: the header must hold"),
    ("item", "category:token", "category", r"line 1: the header must hold"),
    ("train.inter", "s0\ti1\t1\n", "s0\ti1\n", r"line 3: 2 fields instead of 3"),
    ("train.inter", "s0\ti1\t1\n", "s0\ti1\t1\t7\n", r"line 3: 4 fields instead of 3"),
    ("train.inter", "s0\ti1\t1\n", "s0\t\t1\n", r"line 3: no value for 'item_id:token'"),
    ("train.inter", "s0\ti1\t1\n", "\ti1\t1\n", r"line 3: no value for 'session_id:token'"),
    ("test.inter", "s3\ti0\t0\n", "s3\ti0\t\n", r"line 2: no value for 'timestamp:float'"),
    ("test.inter", "s3\ti0\t0\n", "s3\ti0\tnoon\n", r"line 2: 'noon' is not a number"),
    ("test.inter", "s3\ti0\t0\n", "s3\ti0\tnan\n", r"line 2: 'nan' is not a number"),
    ("test.inter", "s3\ti0\t0\n", "s3\ti0\tinf\n", r"line 2: 'inf' is not a number"),
    ("train.inter", "s0\ti1\t1\n", "\n", r"line 3: 1 fields instead of 3"),
    ("item", "i1\t\n", "\t\n", r"line 3: no value for 'item_id:token'"),
    ("item", "i1\t\n", "i0\t\n", r"line 3: item 'i0' stands here twice"),
    (
        "train.inter",
        "s0\ti1\t1\n",
        "s1\ti1\t1\n",
        r"line 4: session 's0' stands at .*line 2 already",
    ),
    (
        "test.inter",
        "s3\ti0\t0\n",
        "s0\ti0\t0\n",
        r"test.inter, line 2: session 's0' stands at .*train",
    ),
]


@pytest.mark.parametrize(("suffix", "old", "new", "message"), FAULTS)
def test_faults_are_named_by_file_and_line(
    written: Any, suffix: str, old: str, new: str, message: str
) -> None:
    folder, _ = written
    (folder / "toy.json").unlink()
    change(folder / f"toy.{suffix}", old, new)
    with pytest.raises(UserError, match=message) as caught:
        read_atomic(folder)
    assert f"toy.{suffix}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_not_text(written: Any) -> None:
    folder, _ = written
    (folder / "toy.json").unlink()
    path = folder / "toy.test.inter"
    path.write_bytes(path.read_bytes().replace(b"i9", b"\xff9", 1))
    with pytest.raises(UserError, match=r"toy.test.inter, line 4: not UTF-8"):
        read_atomic(folder)


def test_nothing_to_test(written: Any) -> None:
    folder, _ = written
    (folder / "toy.json").unlink()
    (folder / "toy.test.inter").write_text("session_id:token\titem_id:token\ttimestamp:float\n")
    with pytest.raises(UserError, match="nothing to learn or to test"):
        read_atomic(folder)


# ------------------------------------------------------------------------ manifest


def test_newer_version(written: Any) -> None:
    folder, _ = written
    change(folder / "toy.json", '"format_version": 1', '"format_version": 2')
    with pytest.raises(UserError, match=r"format version 2.*update recbole_a2d"):
        read_atomic(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "names no format_version"),
        ('{"format_version": "1"}', "names no format_version"),
        ('{"format_version": 1}', "must hold the keys"),
    ],
)
def test_broken_manifest(written: Any, text: str, message: str) -> None:
    folder, _ = written
    (folder / "toy.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_atomic(folder)


def test_somebody_elses_files_need_no_manifest(written: Any) -> None:
    folder, log = written
    (folder / "toy.json").unlink()
    rows = (folder / "toy.test.inter").read_text().splitlines()
    (folder / "toy.test.inter").write_text("\r\n".join(f"{row}\tx" for row in rows) + "\r\n")
    (folder / "toy.item").write_text(
        "price:float\titem_id:token\tcategory:token\n1\ti2\tb\n2\tother\tc\n"
    )
    tables = read_atomic(folder)
    assert tables.manifest is None
    assert naive_sessions(tables, "test") == naive_sessions(log, "test")
    assert named_categories(tables) == {"i2": "b"}


# ------------------------------------------------------------------------ interruptions


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.mark.parametrize("call", range(1, 24))
def test_a_cut_short_conversion_leaves_the_former_data(
    written: Any, toy_log: Any, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Die at the n-th file operation; whatever stands afterwards is one data set, whole."""
    folder, former = written
    newer = toy_log([[5, 4], [4, 5], [5, 5]], [[4, 5]])
    calls = 0

    def dying(function: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= call:
                raise Killed
            return function(*arguments, **options)

        return run

    monkeypatch.setattr(safe_write.os, "rename", dying(safe_write.os.rename))
    monkeypatch.setattr(safe_write.shutil, "rmtree", dying(safe_write.shutil.rmtree))
    monkeypatch.setattr(Path, "open", dying(Path.open))
    died = False
    try:
        write_atomic(folder, newer)
    except Killed:
        died = True
    monkeypatch.undo()
    assert died == (calls >= call)
    found = read_atomic(folder)
    assert naive_sessions(found, "test") in (
        naive_sessions(former, "test"),
        naive_sessions(newer, "test"),
    )
    write_atomic(folder, newer)
    assert naive_sessions(read_atomic(folder), "test") == naive_sessions(newer, "test")
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_a_kill_between_the_renames_is_undone(written: Any) -> None:
    folder, log = written
    folder.rename(folder.with_name(".toy.former"))
    assert naive_sessions(read_atomic(folder), "test") == naive_sessions(log, "test")


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path, toy_log: Any) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="thesis.tex"):
        write_atomic(folder, toy_log([[0, 1], [1, 0]], [[0, 1]]))
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_empty_validation_is_allowed(tmp_path: Path, toy_log: Any) -> None:
    write_atomic(tmp_path / "toy", toy_log([[0, 1]], [[1, 0]], valid_fraction=0.0))
    tables = read_atomic(tmp_path / "toy")
    assert len(tables.valid) == 0
    assert np.array_equal(tables.train.items, [0, 1])


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/hostname", "toy.x/../../secret", "other.item", "toy.\0", "/dev/zero"],
)
def test_a_manifest_cannot_point_out_of_its_folder(written: Any, name: str) -> None:
    folder, _ = written
    manifest = json.loads((folder / "toy.json").read_text())
    manifest["files"][name] = "0" * 64
    (folder / "toy.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="which is none of this data set"):
        read_atomic(folder)
