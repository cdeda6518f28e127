"""Lines of ids as ``recommend`` takes them, between blanks or delimiters or as JSON, and gives."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

from recbole_a2d.errors import UserError, reason

TAB = ("tab", "\\t")


def read_sessions(name: str, delimiter: str | None = None) -> list[list[str]]:
    """The sessions of a file, one a line; an empty line is a session without clicks.

    Args:
        name: of a file in UTF-8, with or without byte order mark; ``-`` is standard input.
        delimiter: as for :func:`ids_of`.

    Raises:
        UserError: it cannot be read, is no text, is empty, or a line cannot be taken apart.
    """
    text = _text(_bytes(name), _shown(name))
    # Only line ends: str.splitlines cuts at characters that may stand in an id.
    lines = list(io.StringIO(text, newline=None))
    if not lines:
        raise UserError(f"{_shown(name)}: is empty; write one session a line, ids between blanks")
    return [
        ids_of(line.removesuffix("\n"), delimiter, f"{_shown(name)}: line {number}")
        for number, line in enumerate(lines, start=1)
    ]


def ids_of(line: str, delimiter: str | None, where: str) -> list[str]:
    """Raw ids of one session.

    Args:
        line: ``i12 i7``, or ``["i12", "i7"]``, or with a delimiter as in csv, quotes included.
        delimiter: one character between ids, whose outer blanks do not count; None for blanks.
        where: names the line in errors.

    Raises:
        UserError: the line cannot be taken apart.
    """
    if delimiter is not None:
        ids = _between(delimiter, line, where)
    elif line.lstrip().startswith("["):
        ids = _of_array(line, where)
    else:
        ids = line.split()
    if not "".join(ids).isascii():
        _check_unicode(ids, where)
    return ids


def as_line(ids: list[str], delimiter: str | None) -> str:
    """A list as :func:`ids_of` reads it; without a delimiter only where no id holds a blank."""
    if delimiter is None:
        return " ".join(ids)
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="").writerow(ids)
    return line.getvalue()


def as_delimiter(text: str | None) -> str | None:
    """What was asked for with ``--delimiter``.

    Raises:
        UserError: it is no single character.
    """
    if text in TAB:
        return "\t"
    if text is not None and (len(text) != 1 or text in '"\r\n\0'):
        raise UserError(f"--delimiter {text!r} must be one character, or 'tab'")
    return text


def _shown(name: str) -> str:
    return "standard input" if name == "-" else name


def _bytes(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UserError(
            f"{_shown(name)}: cannot be read ({reason(error)}); check the path"
        ) from error


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, found = error.object[: error.start], error.object[error.start]
        line, byte = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise UserError(
            f"{where}: is not UTF-8 text ({found:#x} at line {line}, byte {byte});"
            " unpack it if it is compressed, else save it as UTF-8"
        ) from error


def _between(delimiter: str, line: str, where: str) -> list[str]:
    skip = delimiter != " "  # for csv the two exclude each other
    try:
        rows = list(csv.reader([f"{line}\n", ""], delimiter=delimiter, skipinitialspace=skip))
    except csv.Error as error:
        raise UserError(f"{where}: is no line of ids ({error}); mend it") from error
    if len(rows) == 1:  # a value that is open has taken the next line along
        raise UserError(f"{where}: a double quote is never closed; close it")
    return [word for row in rows for field in row if (word := field.strip())]


def _of_array(line: str, where: str) -> list[str]:
    try:
        ids = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{where}: begins with '[' and is no JSON array of ids ({reason(error)}); mend it, or "
            "give --delimiter where ids begin so"
        ) from error
    if not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in ids):
        raise UserError(f"{where}: a JSON array of a session holds ids alone, texts or numbers")
    return [str(item) for item in ids]


def _check_unicode(ids: list[str], where: str) -> None:
    """Refuse halves of characters, from a shell or a JSON escape, which no file can hold."""
    try:
        "".join(ids).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: an id is not UTF-8 text ({error.reason}); mend it") from error
