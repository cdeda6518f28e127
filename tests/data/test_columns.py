"""Columns of atomic files: what is read, and which line is at fault."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data.columns import is_float, read_columns, read_header
from recbole_a2d.errors import UserError

FIELDS = ["name:token", "size:float"]
TOKENS = st.text(
    st.characters(exclude_characters="\t\r\n\0", exclude_categories=("Cs",)), min_size=1, max_size=6
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "toy.inter"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(TOKENS, NUMBERS), max_size=8), more=st.booleans())
def test_values_come_back(rows: list[tuple[str, float]], more: bool) -> None:
    extra = ("other:token\t", "x\t") if more else ("", "")
    lines = [f"{extra[0]}size:float\tname:token"]
    lines += [f"{extra[1]}{size!r}\t{name}" for name, size in rows]
    with tempfile.TemporaryDirectory() as folder:
        table = read_columns(write(Path(folder), "\n".join(lines) + "\n"), FIELDS)
    assert table.column_names == FIELDS
    assert table["name:token"].to_pylist() == [name for name, _ in rows]
    assert table["size:float"].to_pylist() == [size for _, size in rows]


def test_quotes_and_missing_words_are_plain_text(tmp_path: Path) -> None:
    names = ['"', 'a"b', '"a"', "NA", "null", "nan", "\\", "'"]
    text = "name:token\tsize:float\n" + "".join(f"{name}\t1\n" for name in names)
    assert read_columns(write(tmp_path, text), FIELDS)["name:token"].to_pylist() == names


def test_windows_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, "name:token\tsize:float\r\na\t1\r\n")
    assert read_columns(path, FIELDS)["name:token"].to_pylist() == ["a"]


FAULTS = {
    "a\n": "line 3: 1 fields instead of 2",
    "a\t1\t2\n": "line 3: 3 fields instead of 2",
    "\t1\n": "line 3: no value for 'name:token'",
    "a\t\n": "line 3: no value for 'size:float'",
    "a\tone\n": "line 3: 'one' is not a number for 'size:float'",
    "a\tinf\n": "line 3: 'inf' is not a number",
    "a\tNaN\n": "line 3: 'NaN' is not a number",
    "\n": "line 3: 1 fields instead of 2",
}


@pytest.mark.parametrize("row", FAULTS)
def test_faults_name_the_line(tmp_path: Path, row: str) -> None:
    path = write(tmp_path, f"name:token\tsize:float\nb\t2\n{row}c\t3\n")
    with pytest.raises(UserError, match=FAULTS[row]):
        read_columns(path, FIELDS)


def test_a_column_that_may_be_empty(tmp_path: Path) -> None:
    path = write(tmp_path, "name:token\tsize:float\n\t1\n")
    assert read_columns(path, FIELDS, ["name:token"])["name:token"].to_pylist() == [""]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2: not UTF-8 text"):
        read_columns(write(tmp_path, b"name:token\tsize:float\n\xff\t1\n"), FIELDS)
    with pytest.raises(UserError, match="line 1: not UTF-8 text"):
        read_header(write(tmp_path, b"\xff\n"))


@pytest.mark.parametrize(
    "header", ["", "name:token", "name\tsize", "name:token\tsize:float\tname:token"]
)
def test_headers(tmp_path: Path, header: str) -> None:
    with pytest.raises(UserError, match="line 1: the header must hold"):
        read_columns(write(tmp_path, f"{header}\na\t1\n"), FIELDS)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="toy.inter is missing: convert the data set again$"):
        read_columns(tmp_path / "toy.inter", FIELDS)
    with pytest.raises(UserError, match="toy.inter is missing: look for it$"):
        read_columns(tmp_path / "toy.inter", FIELDS, remedy="look for it")


def test_kinds_of_fields() -> None:
    assert is_float("timestamp:float")
    assert not is_float("float:token")
