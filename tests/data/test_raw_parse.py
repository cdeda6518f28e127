"""Quotes that are not closed cost their own line, wherever no value may hold line ends."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recbole_a2d.data import raw_blocks
from recbole_a2d.data.raw_columns import NAME
from recbole_a2d.data.raw_layout import Layout
from recbole_a2d.data.raw_table import RawTable, read_table
from recbole_a2d.errors import UserError

LAYOUT = Layout(kinds={"a": NAME}, places={"a": 0}, width=2, delimiter=",")


def written(folder: Path | str, text: str) -> Path:
    path = Path(folder) / "log.csv"
    path.write_bytes(text.encode())
    return path


def names(table: RawTable) -> list[str]:
    return table.names["a"].texts[table.names["a"].codes].tolist()


def plain_values(line: str) -> list[str] | None:
    """Values of a line, read letter by letter; None where a quote is too many or left open."""
    values, quoted, fresh, left = [""], False, True, list(line)
    while left:
        letter = left.pop(0)
        if quoted and letter == '"' and left[:1] == ['"']:
            values[-1] += left.pop(0)
        elif letter == '"' and (quoted or fresh):
            quoted = not quoted
        elif letter == "," and not quoted:
            values.append("")
        else:
            values[-1] += letter
        fresh = letter == "," and not quoted
    return None if quoted or line.count('"') % 2 else values


def plain_reading(lines: list[str]) -> tuple[list[str], list[int]]:
    """Names of the good lines, and the numbers of the bad ones; the header is line 1."""
    good, bad = [], []
    for number, line in enumerate(lines, start=2):
        values = plain_values(line)
        if line and values is not None and len(values) == 2 and values[0]:
            good.append(values[0])
        elif line:
            bad.append(number)
    return good, bad


LINES = st.lists(st.text(st.sampled_from(list('ab,,""é')), max_size=9), max_size=8)


@settings(max_examples=400)
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), size=st.integers(1, 60))
@example(['5" x,"abc', "a,b"], "\n", 60)
@example(['5" x,"abc', 'a,"b', 'a,b"'], "\n", 60)
@example(["a,b", '5" x,"abc', "", ""], "\n", 60)
def test_every_line_is_judged_by_itself(lines: list[str], end: str, size: int) -> None:
    good, bad = plain_reading(lines)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_blocks.read_blocks, "__defaults__", (True, size))
        path = written(folder, end.join(["a,v", *lines, ""]))
        if bad:
            with pytest.raises(UserError, match=rf"line {bad[0]}: .*--skip-bad-rows"):
                read_table(path, LAYOUT)
        if good:
            table = read_table(path, LAYOUT, skip_bad_rows=True)
            assert (names(table), table.skipped) == (good, len(bad))


@pytest.mark.parametrize("place", [0, 1, 2000, 3999])
def test_one_quote_among_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """Far more follows it than a quoted value may hold, whatever the size of the blocks."""
    rows = [f"n{number},{'x' * 100}" for number in range(4000)]
    expected = [row.split(",")[0] for row in rows]
    rows.insert(place, 'bad,"x')
    path = written(tmp_path, "a,v\n" + "\n".join(rows))
    monkeypatch.setattr(raw_blocks, "MAX_ROW_BYTES", 10_000)
    for size in (5_000, 1 << 24):
        monkeypatch.setattr(raw_blocks.read_blocks, "__defaults__", (True, size))
        with pytest.raises(UserError, match=f"line {place + 2}: a double quote is never closed"):
            read_table(path, LAYOUT)
        table = read_table(path, LAYOUT, skip_bad_rows=True)
        assert (names(table), table.skipped) == (expected, 1)


def test_an_open_quote_where_values_may_hold_line_ends(tmp_path: Path) -> None:
    """Only the block's end tells; the line is named, however much follows."""
    path = written(tmp_path, 'a,v\nx,1\ny,"2\n' + f"z,{'x' * 100}\n" * 4000)
    layout = Layout({"a": NAME}, {"a": 0}, 2, ",", line_ends=True)
    with pytest.raises(UserError, match="line 3: a double quote is never closed; correct"):
        read_table(path, layout)


@pytest.mark.parametrize("line_ends", [True, False])
def test_an_open_quote_in_the_header(tmp_path: Path, line_ends: bool) -> None:
    layout = Layout({"a": NAME}, {"a": 0}, 2, ",", line_ends=line_ends)
    with pytest.raises(UserError, match="line 1: a double quote is never closed.*the header$"):
        read_table(written(tmp_path, 'a,"v\nx,1\ny,2\n'), layout, skip_bad_rows=True)


def test_a_value_longer_than_the_standard_reader_takes(tmp_path: Path) -> None:
    """It is read where all rows are good, so it is where one is bad."""
    path = written(tmp_path, f"a,v\nx,{'x' * 200_000}\ny\nz,1\n")
    table = read_table(path, LAYOUT, skip_bad_rows=True)
    assert (names(table), table.skipped) == (["x", "z"], 1)
