"""Sessions in the forms in which people have them, and complaints that say where."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from recbole_a2d.errors import UserError
from recbole_a2d.recommend_input import as_delimiter, as_line, ids_of, read_sessions


@pytest.mark.parametrize(
    ("line", "delimiter", "ids"),
    [
        ("", None, []),
        (" i1\ti2  i1 ", None, ["i1", "i2", "i1"]),
        ("a,b c", None, ["a,b", "c"]),
        ('["red shoe", "[x]", 7]', None, ["red shoe", "[x]", "7"]),
        (" []", None, []),
        ("red shoe, hat ,,", ",", ["red shoe", "hat"]),
        ('"red, shoe",5" nail', ",", ["red, shoe", '5" nail']),
        ("red shoe\thut\u00a0grün", "\t", ["red shoe", "hut\u00a0grün"]),
        ("[x] a  b", " ", ["[x]", "a", "b"]),
    ],
)
def test_ids_of_a_line(line: str, delimiter: str | None, ids: list[str]) -> None:
    assert ids_of(line, delimiter, "here") == ids


@pytest.mark.parametrize(
    ("line", "delimiter", "told"),
    [
        ('["a"', None, "no JSON array"),
        ("[x] a", None, "--delimiter"),
        ("[" * 100_000, None, "no JSON array"),
        ('["a", null]', None, "ids alone"),
        ("[true]", None, "ids alone"),
        ("[1.5]", None, "ids alone"),
        ('["\\ud800"]', None, "not UTF-8"),
        ("\udcff", None, "not UTF-8"),
        ("a\nb", ",", "no line of ids"),
        ('a,"b,c', ",", "a double quote is never closed"),
        ("x" * 200_000, ",", "no line of ids"),
    ],
)
def test_lines_that_are_refused(line: str, delimiter: str | None, told: str) -> None:
    with pytest.raises(UserError, match=f"^here: .*{told}") as raised:
        ids_of(line, delimiter, "here")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("delimiter", [",", "\t", " ", ";"])
def test_a_list_is_read_as_it_was_written(delimiter: str) -> None:
    ids = ["red shoe", "a,b", 'x"y', '"', "tab\there", ";", "[x]"]
    assert ids_of(as_line(ids, delimiter), delimiter, "here") == ids
    assert as_line(["a", "b"], None) == "a b"


@pytest.mark.parametrize("text", ["tab", "\\t", "\t"])
def test_a_tab_may_be_named(text: str) -> None:
    assert as_delimiter(text) == "\t"
    assert as_delimiter(None) is None


@pytest.mark.parametrize("text", ["", ",,", '"', "\n"])
def test_no_delimiter(text: str) -> None:
    with pytest.raises(UserError, match="--delimiter .* one character"):
        as_delimiter(text)


def test_lines_end_at_line_ends_alone(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    path.write_bytes("\ufeffa\u2028b,c\r\n\n\x0cd".encode())
    assert read_sessions(str(path), ",") == [["a\u2028b", "c"], [], ["d"]]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a b\n[1]\n")))
    assert read_sessions("-") == [["a", "b"], ["1"]]
    with pytest.raises(UserError, match="^standard input: is empty"):
        read_sessions("-")


def test_the_line_at_fault_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    path.write_text("a\n[\n")
    with pytest.raises(UserError, match=r"sessions: line 2: begins with '\['"):
        read_sessions(str(path))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (gzip.compress(b"i1 i2\n"), "0x8b at line 1, byte 2"),
        (b"\xef\xbb\xbfi1\ni2 \xe4\n", "0xe4 at line 2, byte 4"),
    ],
)
def test_what_is_no_text(content: bytes, where: str, tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"sessions: is not UTF-8 text .{where}"):
        read_sessions(str(path))


def test_a_path_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    with pytest.raises(UserError) as raised:
        read_sessions(str(path))
    assert (
        str(raised.value) == f"{path}: cannot be read (No such file or directory); check the path"
    )
