"""Reading of raw files: every row or an error, whatever the packing and the blocks."""

from __future__ import annotations

import csv
import gzip
import tempfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data import raw_blocks, raw_layout
from recbole_a2d.data.raw_blocks import read_blocks
from recbole_a2d.data.raw_columns import (
    NAME,
    NAMED_UTC,
    NUMBERS,
    OPTIONAL_NAME,
    iso_times,
    looked_up,
)
from recbole_a2d.data.raw_files import find_file, open_raw
from recbole_a2d.data.raw_layout import Layout
from recbole_a2d.data.raw_table import read_table
from recbole_a2d.errors import UserError

KINDS = {"a": NAME, "b": NUMBERS, "c": OPTIONAL_NAME}
LAYOUT = Layout(kinds=KINDS, places={"a": 0, "b": 1, "c": 2}, width=3, delimiter=",")
HEADER = "a,b,c\n"


def write(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def columns(path: Path, layout: Layout = LAYOUT, skip: bool = False) -> dict[str, list[Any]]:
    table = read_table(path, layout, skip)
    names = {c: n.texts[n.codes].tolist() for c, n in table.names.items()}
    return {**names, **{c: v.tolist() for c, v in table.numbers.items()}}


# ------------------------------------------------------------------------------ blocks

LINES = st.lists(
    st.text(st.sampled_from(list('ab,;"é\r')), max_size=8).map(lambda text: text + "\n"),
    max_size=12,
)


@given(lines=LINES, size=st.integers(1, 40), last=st.sampled_from(["", "x", "x\r"]))
def test_blocks_hold_the_file_and_know_their_lines(lines: list[str], size: int, last: str) -> None:
    text = ("".join(lines) + last).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        with open_raw(path) as read:
            blocks = list(read_blocks(read, path, size=size))
    assert b"".join(block.text for block in blocks) == text
    for number, block in enumerate(blocks):
        before = b"".join(b.text for b in blocks[:number])
        assert block.first_line == 1 + len((before + b"|").splitlines()) - 1
        if number + 1 < len(blocks):
            assert block.text.count(b'"') % 2 == 0
            assert block.text.endswith(b"\n")


def test_a_row_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_blocks, "MAX_ROW_BYTES", 1000)
    path = write(tmp_path, b'a,b\n1,"' + b"x,2\n" * 2000)
    with open_raw(path) as read, pytest.raises(UserError, match="line 2: no end of the row"):
        list(read_blocks(read, path, size=100))


VALUES = st.text(st.sampled_from(list('ab,"é \n\r')), max_size=5)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["x", "ü", "7"]), VALUES), min_size=1, max_size=10),
    size=st.integers(1, 30),
)
def test_any_quoted_values_as_the_standard_reader_reads_them(rows: Any, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["a", "v"], *rows])
        layout = Layout({"a": NAME}, {"a": 0}, 2, ",", line_ends=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(raw_blocks.read_blocks, "__defaults__", (True, size))
            assert columns(path, layout)["a"] == [name for name, _ in rows]


# ------------------------------------------------------------------------------ kinds

NUMBER_TEXTS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.text(st.sampled_from(list("0123456789.eE+-x_ ")), max_size=6),
    st.sampled_from(["", "nan", "inf", "1e400", "0x10", "1_0", "٣", ".5", "5."]),
)
TIME_TEXTS = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda time: time.isoformat() + "Z"),
    st.text(st.sampled_from(list("0123456789-T:.Z+ ")), max_size=12),
    st.sampled_from(["2014-02-30", "2014-04-07T24:00", "2014-04-07T10:51:60", "", "0000-01-01"]),
)


@settings(max_examples=400, deadline=None)
@given(text=NUMBER_TEXTS)
def test_a_number_is_read_exactly_where_it_has_no_problem(text: str) -> None:
    _agree(NUMBERS, text, float)


@settings(max_examples=400, deadline=None)
@given(text=TIME_TEXTS, zoned=st.booleans())
def test_a_time_is_read_exactly_where_it_has_no_problem(text: str, zoned: bool) -> None:
    _agree(iso_times(zoned), text, None)


@settings(max_examples=400, deadline=None)
@given(text=TIME_TEXTS, named=st.sampled_from(["", " UTC", "UTC", " UTC UTC", " CET"]))
def test_a_time_with_its_zones_name_is_read_exactly_where_it_has_no_problem(
    text: str, named: str
) -> None:
    _agree(NAMED_UTC, text + named, None)


@settings(max_examples=100, deadline=None)
@given(time=st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), sep=st.sampled_from(" T"))
def test_a_zones_name_says_what_its_letter_says(time: datetime, sep: str) -> None:
    text = time.isoformat(sep)
    _agree(NAMED_UTC, f"{text} UTC", lambda _: iso_seconds(text))
    assert NAMED_UTC.problem(f"{text} UTC") is None


def iso_seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)) / timedelta(seconds=1)


def _agree(kind: Any, text: str, convert: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), f"b,x\n{text},1\n")
        layout = Layout({"b": kind}, {"b": 0}, 2, ",")
        if kind.problem(text):
            with pytest.raises(UserError, match="line 2: b: "):
                columns(path, layout)
        else:
            found = columns(path, layout)["b"]
            assert convert is None or found == [convert(text)]


def test_seconds_are_the_nearest_float(tmp_path: Path) -> None:
    texts = ["2014-04-07T10:51:09.277Z", "1969-12-31T23:59:59.999999Z", "2014-04-07 12:51:09+02"]
    path = write(tmp_path, "b,x\n" + "".join(f"{text},1\n" for text in texts))
    layout = Layout({"b": iso_times(True)}, {"b": 0}, 2, ",")
    assert columns(path, layout)["b"] == [1396867869.277, -0.000001, 1396867869.0]


def test_looked_up_values(tmp_path: Path) -> None:
    path = write(tmp_path, "b,x\n1,1\n3,1\n1,1\nx,1\n")
    layout = Layout({"b": looked_up(float, "a thing")}, {"b": 0}, 2, ",")
    with pytest.raises(UserError, match="line 5: b: 'x' is not a thing"):
        columns(path, layout)
    assert columns(path, layout, skip=True)["b"] == [1.0, 3.0, 1.0]


# ------------------------------------------------------------------------------ faults

FAULTS: dict[str, tuple[str | bytes, str]] = {
    "few": ("x,1\n", "line 4: 2 values instead of 3"),
    "many": ("x,1,c,d\n", "line 4: 4 values instead of 3"),
    "no name": (",1,c\n", "line 4: a: a value is missing"),
    "no number": ("x,,c\n", "line 4: b: a value is missing"),
    "word": ("x,one,c\n", "line 4: b: 'one' is not a number"),
    "tab": ("x\ty,1,c\n", r"line 4: a: 'x\\ty' holds a tab"),
    "nul": ("x\0y,1,c\n", r"line 4: a: 'x\\x00y' holds a NUL byte;"),
    "bytes": (b"x\xff,1,c\n", "line 4: a: not UTF-8 text"),
    "quote": ('x,1,"c\n', "line 4: a double quote is never closed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_rows_are_named_or_counted(tmp_path: Path, fault: str) -> None:
    text, message = FAULTS[fault]
    bad = text if isinstance(text, bytes) else text.encode()
    good = b"p,1,c\n", b"q,2,\nr,3,c"
    path = write(tmp_path, HEADER.encode() + b"\n" + good[0] + bad + good[1])
    with pytest.raises(UserError, match=message) as caught:
        columns(path)
    assert "--skip-bad-rows" in str(caught.value)
    assert "\n" not in str(caught.value)
    found = columns(path, skip=True)
    assert found == {"a": ["p", "q", "r"], "b": [1, 2, 3], "c": ["c", "", "c"]}
    assert read_table(path, LAYOUT, True).skipped == 1


def test_rows_in_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_blocks.read_blocks, "__defaults__", (True, 50))
    rows = [(f"n{number % 17}", float(number), f"{number % 3}") for number in range(300)]
    text = HEADER + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    found = columns(write(tmp_path, text))
    assert list(zip(found["a"], found["b"], found["c"], strict=True)) == rows
    table = read_table(write(tmp_path, text), LAYOUT)
    assert table.names["a"].texts.tolist() == [f"n{number}" for number in range(17)]
    broken = text.replace("n5,209.0,2", "n5,209.0")
    with pytest.raises(UserError, match="line 211: 2 values instead of 3"):
        columns(write(tmp_path, broken))


def test_wanted_rows_alone(tmp_path: Path) -> None:
    text = HEADER + "x,1,k\ny,2,l\nz,3,l\nw,4,k\n"
    layout = Layout(KINDS, LAYOUT.places, 3, ",", keep=("c", frozenset({"l", "m"})))
    found = columns(write(tmp_path, text), layout)
    assert found == {"a": ["y", "z"], "b": [2, 3]}
    layout = Layout(KINDS, LAYOUT.places, 3, ",", keep=("c", frozenset({"m"})))
    with pytest.raises(UserError, match=r"holds no row with c \['m'\]"):
        columns(write(tmp_path, text), layout)


@pytest.mark.parametrize("text", ["a,b,c", "a,b,c\n", "a,b,c\n\n\n"])
def test_no_rows(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="holds no row"):
        columns(write(tmp_path, text))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="is empty"):
        raw_layout.read_first_rows(write(tmp_path, content))


def test_utf_16(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="UTF-16 text: save it as UTF-8"):
        raw_layout.read_first_rows(write(tmp_path, "a,b".encode("utf-16")))


# ------------------------------------------------------------------------------ packing


def pack(folder: Path, text: str) -> list[Path]:
    paths = [write(folder, text, "log.txt"), folder / "log.csv.gz", folder / "log.zip"]
    paths[1].write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(paths[2], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/log.csv", text)
        archive.writestr("__MACOSX/._log.csv", "x")
    return paths


def test_packed_files_are_read_as_they_are(tmp_path: Path) -> None:
    text = HEADER + "".join(f"n{number},{number},\n" for number in range(2000))
    found = [columns(path) for path in pack(tmp_path, text)]
    assert found[0] == found[1] == found[2]
    assert np.sum(found[0]["b"]) == 1999 * 1000


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_packing(tmp_path: Path, share: float) -> None:
    text = HEADER + "".join(f"n{number * 7919 % 6007},{number},\n" for number in range(5000))
    for path in pack(tmp_path, text)[1:]:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(UserError, match="is truncated or damaged"):
            columns(path)


def test_a_changed_byte_in_a_packed_file(tmp_path: Path) -> None:
    for path in pack(tmp_path, HEADER + "x,1,c\n" * 1000)[1:]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2 if path.suffix == ".gz" else 60] ^= 255
        path.write_bytes(content)
        with pytest.raises(UserError, match="is truncated or damaged"):
            columns(path)


def test_zip_of_two_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("a.csv", HEADER)
        archive.writestr("b.csv", HEADER)
    with pytest.raises(UserError, match="holds 2 files instead of one"):
        columns(tmp_path / "log.zip")


def test_finding_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not hold log.csv or other.csv"):
        find_file(tmp_path, ["log.csv", "other.csv"], "clicks")
    packed = write(tmp_path, b"", "other.csv.gz")
    assert find_file(tmp_path, ["log.csv", "other.csv"], "clicks") == packed
    assert find_file(packed, ["log.csv"], "clicks") == packed
    write(tmp_path, b"", "other.csv")
    with pytest.raises(UserError, match="holds both"):
        find_file(tmp_path, ["log.csv", "other.csv"], "clicks")
    with pytest.raises(UserError, match="is not a file"), open_raw(tmp_path / "none"):
        pass
