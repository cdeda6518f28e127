"""Blocks of raw text to columns: by Arrow, and row by row where that finds something wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import csv

from recbole_a2d.data.raw_blocks import Block, Row, rows_of
from recbole_a2d.data.raw_columns import BadColumn, Kind, check_names
from recbole_a2d.data.raw_layout import NOT_UTF8, Layout, shorten
from recbole_a2d.data.tables import FloatArray
from recbole_a2d.errors import UserError

UNREADABLE = (BadColumn, pyarrow.ArrowInvalid, pyarrow.ArrowKeyError)
"""What parsing a block raises where a row of it is bad."""
NEVER_CLOSED = "a double quote is never closed"
QUOTE, LINE_ENDS = ord('"'), (ord("\n"), ord("\r"))

Columns = dict[str, Any]  # a chunked dictionary array of Arrow, or floats; by column


def without_header(path: Path, block: Block, layout: Layout) -> Block:
    """The first block of a file without its first row.

    Raises:
        UserError: a quote of the header is not closed.
    """
    header = next(rows_of(block, layout.delimiter, layout.line_ends))
    if not header.closed:
        raise UserError(
            f"{path}, line {header.first}: {_open_quote(block, header, layout)}; correct the header"
        )
    lines = block.text.splitlines(keepends=True)[header.last :]
    return Block(b"".join(lines), header.last + 1, block.quoted)


def read_block(
    path: Path, block: Block, layout: Layout, skip_bad_rows: bool
) -> tuple[Columns, int]:
    """Columns of a block, and how many bad rows were left out.

    Args:
        path: of the file, for messages.
        block: its rows.
        layout: where the columns stand.
        skip_bad_rows: leave bad rows out, instead of stopping at the first.

    Raises:
        UserError: a row is bad; names its line.
    """
    try:
        return _parse(block, layout), 0
    except UNREADABLE as error:
        reason = str(error) or "a value is bad"
    good, bad = _good_rows(path, block, layout, skip_bad_rows)
    try:
        return _parse(Block(_lines(good), block.first_line, block.quoted), layout), bad
    except UNREADABLE as error:
        raise UserError(
            f"{path}, lines {block.first_line} to {block.first_line + block.lines - 1} cannot be "
            f"read ({shorten(str(error) or reason)}): export the file again"
        ) from error


def _good_rows(
    path: Path, block: Block, layout: Layout, skip_bad_rows: bool
) -> tuple[list[bytes], int]:
    """The rows of a block that can be read, and how many cannot; stops at the first of those."""
    good, bad = [], 0
    for row in rows_of(block, layout.delimiter, layout.line_ends):
        problem = _row_problem(row, layout)
        if problem is None:
            good.append(row.text)
        elif skip_bad_rows:
            bad += 1
        else:
            raise UserError(
                f"{path}, line {row.first}: "
                f"{problem if row.closed else _open_quote(block, row, layout)}; correct the row, "
                "or leave such rows out with --skip-bad-rows"
            )
    return good, bad


def _lines(texts: list[bytes]) -> bytes:
    return b"".join(text if text.endswith((b"\n", b"\r")) else text + b"\n" for text in texts)


def _parse(block: Block, layout: Layout) -> Columns:
    if not block.text.strip(b"\r\n"):
        return {column: _no_values(kind) for column, kind in layout.kinds.items()}
    filled_lines = _check_quotes(block, layout) if block.quoted else 0
    table = csv.read_csv(
        pyarrow.BufferReader(block.text),
        read_options=csv.ReadOptions(
            column_names=[str(place) for place in range(layout.width)], block_size=1 << 22
        ),
        parse_options=csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char='"' if block.quoted else False,
            newlines_in_values=block.quoted,
        ),
        convert_options=csv.ConvertOptions(
            column_types={str(layout.places[c]): k.arrow for c, k in layout.kinds.items()},
            include_columns=[str(place) for place in dict.fromkeys(layout.places.values())],
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    if block.quoted and not layout.line_ends and table.num_rows != filled_lines:
        raise BadColumn
    return {c: _values(table[str(layout.places[c])], kind) for c, kind in layout.kinds.items()}


def _check_quotes(block: Block, layout: Layout) -> int:
    """Refuse quotes that are not closed: in their own line, or where they need not, in the block.

    Returns:
        The lines that are not blank: one a row, unless a value that is open in one line is closed
        in another, which an even number of quotes in each does not rule out.

    Raises:
        BadColumn: a line or the block holds an odd number of quotes, or the last line an open one.
    """
    text = np.frombuffer(block.text, np.uint8)
    is_end = (text == LINE_ENDS[0]) | (text == LINE_ENDS[1])
    ends = np.append(np.empty(0, int) if layout.line_ends else np.flatnonzero(is_end), len(text))
    if (np.searchsorted(np.flatnonzero(text == QUOTE), ends) % 2).any():
        raise BadColumn
    if not layout.line_ends and not _last_row(block, layout).closed:
        raise BadColumn
    return int(np.count_nonzero(~is_end & np.append(is_end[1:], True)))


def _last_row(block: Block, layout: Layout) -> Row:
    """The last line that is not blank, as a row."""
    text = block.text.rstrip(b"\r\n")
    start = 1 + max(text.rfind(b"\n"), text.rfind(b"\r"))
    return next(rows_of(Block(text[start:], 1, True), layout.delimiter, line_ends=False))


def _no_values(kind: Kind) -> pyarrow.ChunkedArray | FloatArray:
    return np.empty(0) if kind.numbers else pyarrow.chunked_array([], kind.arrow)


def _values(column: pyarrow.ChunkedArray, kind: Kind) -> pyarrow.ChunkedArray | FloatArray:
    if kind.numbers:
        return kind.numbers(column)
    check_names(column, kind.empty)
    return column


def _row_problem(row: Row, layout: Layout) -> str | None:
    if not row.closed:
        return NEVER_CLOSED
    if len(row.fields) != layout.width:
        return f"{len(row.fields)} values instead of {layout.width}"
    for column, kind in layout.kinds.items():
        text = row.fields[layout.places[column]]
        # Columns that nobody reads may hold what they like.
        problem = kind.problem(text) if NOT_UTF8.search(text) is None else "not UTF-8 text"
        if problem:
            return f"{column}: {problem}"
    return None


def _open_quote(block: Block, row: Row, layout: Layout) -> str:
    """What is wrong with a row that is not closed; lines that quotes tie together are told of."""
    if layout.line_ends:
        return NEVER_CLOSED
    lines = block.text.splitlines(keepends=True)[row.first - block.first_line :]
    tied = next(rows_of(Block(b"".join(lines), row.first, True), layout.delimiter, line_ends=True))
    if tied.closed:
        return f"a quoted value goes on to line {tied.last}"
    return f"{NEVER_CLOSED} in its line"
