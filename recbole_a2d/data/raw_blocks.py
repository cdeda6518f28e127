"""A stream of bytes cut into blocks of whole rows, each with the number of its first line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from recbole_a2d.data.raw_files import READ_BYTES, Read
from recbole_a2d.errors import UserError

MAX_ROW_BYTES = 1 << 26
LONGEST_VALUE = 2 * MAX_ROW_BYTES
UTF8_MARK = b"\xef\xbb\xbf"
OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Block:
    """Whole rows of a file.

    Attributes:
        text: the bytes, line ends included.
        first_line: line number of the first row, counted from 1.
        quoted: whether a double quote occurs, so that quoting rules are needed.
    """

    text: bytes
    first_line: int
    quoted: bool

    @property
    def lines(self) -> int:
        """Line ends, and a last line without one."""
        ended = self.text.endswith((b"\n", b"\r"))
        return count_line_ends(self.text) + (bool(self.text) and not ended)


@dataclass(frozen=True)
class Row:
    """One row as a plain reader sees it.

    Attributes:
        first, last: numbers of its first and its last line.
        text: its bytes.
        fields: its values.
        closed: whether it holds an even number of double quotes, and none of its values is open
            where it ends; always so where quotes mean nothing.
    """

    first: int
    last: int
    text: bytes
    fields: list[str]
    closed: bool


def read_blocks(
    read: Read,
    path: Path,
    quotes: bool = True,
    size: int = READ_BYTES,
    *,
    line_ends: bool = True,
) -> Iterator[Block]:
    """Cut a stream into blocks of about ``size`` bytes that end where a row ends.

    Args:
        read: gives the next bytes of the file.
        path: of the file, for messages.
        quotes: whether double quotes enclose values; else they mean nothing.
        size: bytes to read at once.
        line_ends: whether an enclosed value may hold line ends; else every line end ends a row,
            and a quote that is never closed costs its own line alone.

    Raises:
        UserError: the text is not UTF-8, or a row or quoted value has no end within 64 MiB.
    """
    rest = _without_mark(read(size), path)
    line = 1
    while rest:
        chunk = read(size)
        quoted = quotes and b'"' in rest
        cut = _end_of_rows(rest, quoted and line_ends) if chunk else len(rest)
        if cut:
            block = Block(rest[:cut], line, quoted and b'"' in rest[:cut])
            yield block
            line += count_line_ends(block.text)
        rest = rest[cut:] + chunk
        if len(rest) > MAX_ROW_BYTES + 2 * size:
            raise UserError(
                f"{path}, line {line}: no end of the row within {MAX_ROW_BYTES >> 20} MiB; is a "
                "double quote never closed, or is this not a text file?"
            )


def count_line_ends(text: bytes) -> int:
    r"""Line ends of all three kinds: ``\n``, ``\r\n``, ``\r``."""
    returns = text.count(b"\r")
    return text.count(b"\n") + (returns - text.count(b"\r\n") if returns else 0)


def rows_of(block: Block, delimiter: str, line_ends: bool) -> Iterator[Row]:
    """Rows of a block one by one, slowly; blank lines are passed over.

    Bytes that are not UTF-8 become lone surrogates in the fields.

    Args:
        block: the rows.
        delimiter: between values.
        line_ends: whether quoted values may hold line ends; else every line is read by itself,
            whatever the quotes of the lines before it.
    """
    lines = block.text.splitlines(keepends=True)
    if line_ends or not block.quoted:
        yield from _rows(lines, block.first_line, delimiter, block.quoted)
        return
    for number, line in enumerate(lines, start=block.first_line):
        yield from _rows([line], number, delimiter, block.quoted)


def _rows(lines: Sequence[bytes], first: int, delimiter: str, quoted: bool) -> Iterator[Row]:
    """Rows of lines that are read in one go; ``first`` is the number of the first line."""
    texts = (line.decode("utf-8", "surrogateescape") for line in lines)
    reader = csv.reader(
        chain(texts, [""]),  # a reader that asks for one line more has a value open at the end
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    start = 0
    while (fields := _next_row(reader)) is not None:
        stop = min(reader.line_num, len(lines))
        if fields:
            text = b"".join(lines[start:stop])
            odd = quoted and text.count(b'"') % 2 == 1
            closed = reader.line_num <= len(lines) and not odd
            yield Row(first + start, first + stop - 1, text, fields, closed)
        start = stop


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    """The next row, None at the end, with values of any length.

    Arrow takes those, so the plain reader, which names faults, has to; the limit is the process's.
    """
    usual = csv.field_size_limit(LONGEST_VALUE)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(usual)


def _without_mark(text: bytes, path: Path) -> bytes:
    if text.startswith(OTHER_MARKS):
        raise UserError(f"{path} is UTF-16 text: save it as UTF-8")
    return text.removeprefix(UTF8_MARK)


def _end_of_rows(text: bytes, quoted: bool) -> int:
    """Position after the last line end that is outside of quotes, 0 if there is none."""
    end = text.rfind(b"\n") + 1
    while quoted and end and text.count(b'"', 0, end) % 2:
        end = text.rfind(b"\n", 0, text.rfind(b'"', 0, end)) + 1
    return end
