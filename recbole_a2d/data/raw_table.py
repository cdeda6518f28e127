"""Columns of a raw log in memory: names as codes, times as numbers, no row lost unnoticed."""

from __future__ import annotations

import csv as plain_csv
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import compute, csv

from recbole_a2d.data.progress import row_counter
from recbole_a2d.data.raw_blocks import Block, Row, read_blocks, rows_of
from recbole_a2d.data.raw_columns import CODED, BadColumn, Kind, check_names
from recbole_a2d.data.raw_files import open_raw
from recbole_a2d.data.tables import BoolArray, FloatArray, StringArray
from recbole_a2d.errors import UserError

DELIMITERS = ";,\t|"
NOT_TEXT = re.compile("[\ud800-\udfff]")  # how rows_of gives bytes that are not UTF-8
NOT_A_HEADER = re.compile("[\0-\x08\x0b-\x1f\ud800-\udfff]")

CodeArray = NDArray[np.integer[Any]]
Columns = dict[str, Any]  # a chunked dictionary array of Arrow, or floats; by column


@dataclass(frozen=True)
class Names:
    """A column of names.

    Attributes:
        codes: which name each row has, 32 bits to spare memory, shape ``[rows]``.
        names: distinct names in order of first appearance.
    """

    codes: CodeArray
    names: pyarrow.StringArray

    @classmethod
    def of(cls, column: pyarrow.ChunkedArray) -> Names:
        """Number the texts of a column."""
        coded = column.combine_chunks().dictionary_encode()
        return cls(coded.indices.to_numpy(), coded.dictionary)

    @property
    def texts(self) -> StringArray:
        """The names as Python texts, shape ``[names]``."""
        return as_texts(self.names)

    def where(self, rows: BoolArray) -> Names:
        """The rows under a mask; all names stay."""
        return Names(self.codes[rows], self.names)


def as_texts(names: pyarrow.StringArray) -> StringArray:
    """Names as Python texts, which take several times the memory."""
    texts: StringArray = names.to_numpy(zero_copy_only=False)
    return texts.astype(object)


@dataclass(frozen=True)
class RawTable:
    """Columns of a raw log.

    Attributes:
        names: name columns.
        numbers: number and time columns, shape ``[rows]`` each.
        skipped: bad rows that were left out.
    """

    names: dict[str, Names]
    numbers: dict[str, FloatArray]
    skipped: int


@dataclass(frozen=True)
class Layout:
    """Where the wanted columns stand.

    Attributes:
        kinds: kind of each wanted column.
        places: place of each wanted column, from 0.
        width: number of values in a row.
        delimiter: between values.
        header: whether the first row names the columns.
        quotes: whether double quotes enclose values.
        line_ends: whether an enclosed value may hold line ends.
        keep: a name column that is not needed itself, and the names whose rows are wanted.
    """

    kinds: Mapping[str, Kind]
    places: Mapping[str, int]
    width: int
    delimiter: str
    header: bool = True
    quotes: bool = True
    line_ends: bool = False
    keep: tuple[str, frozenset[str]] | None = None


def read_first_rows(path: Path, delimiter: str | None = None, quotes: bool = True) -> list[Row]:
    """First two rows of a file, for finding out its layout.

    Args:
        path: plain, gzip or zip.
        delimiter: between values; by default the one of ``;``, ``,``, tab, ``|`` that the first
            line holds most of.
        quotes: whether double quotes enclose values.

    Raises:
        UserError: the file is missing, damaged or empty.
    """
    with open_raw(path) as read:
        block = next(read_blocks(read, path, quotes, size=1 << 16), None)
    if block is None or not block.text.strip(b"\r\n"):
        raise UserError(f"{path} is empty: download or export it again")
    try:
        rows = rows_of(block, delimiter or guess_delimiter(block.text))
        return list(itertools.islice(rows, 2))
    except plain_csv.Error as error:
        raise UserError(f"{path}, line 1: {error}; is this a text file?") from error


def guess_delimiter(text: bytes) -> str:
    """The one of ``;``, ``,``, tab and ``|`` that the first line holds most of."""
    first = text.strip(b"\r\n").splitlines()[0]
    return max(DELIMITERS, key=lambda character: first.count(character.encode()))


def find_columns(
    path: Path,
    header: Sequence[str],
    spellings: Mapping[str, Sequence[str]],
    remedy: str = "give the file as it was downloaded, or name the column so",
) -> dict[str, int]:
    """Place of each column by its accepted spellings.

    Args:
        path: of the file, for messages.
        header: names of all columns.
        spellings: accepted names of each wanted column.
        remedy: what to do where one is missing.

    Raises:
        UserError: a column is missing or stands there twice.
    """
    places = {}
    for column, accepted in spellings.items():
        found = [place for place, name in enumerate(header) if name in accepted]
        if len(found) != 1:
            if any(NOT_A_HEADER.search(name) for name in header):
                remedy = "this is no text: export the log as delimited text or parquet"
            raise UserError(
                f"{path}, line 1: {'no' if not found else 'more than one'} column "
                f"{' or '.join(map(repr, accepted))}; the header is {shorten(list(header))}: "
                f"{'rename all but one' if found else remedy}"
            )
        places[column] = found[0]
    return places


def shorten(value: object, length: int = 200) -> str:
    """Text of a value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= length else text[:length] + "..."


def read_table(path: Path, layout: Layout, skip_bad_rows: bool = False) -> RawTable:
    """Read the wanted columns of a raw file.

    Args:
        path: plain, gzip or zip.
        layout: where the columns stand.
        skip_bad_rows: leave bad rows out and count them, instead of stopping at the first.

    Raises:
        UserError: the file is damaged or holds no row, or a row is bad; names its line.
    """
    parts: list[Columns] = []
    skipped = 0
    with open_raw(path) as read, row_counter(path.name) as counter:
        for number, block in enumerate(read_blocks(read, path, layout.quotes)):
            if number == 0 and layout.header:
                block = _without_header(block, layout)
            columns, bad = _read_block(path, block, layout, skip_bad_rows)
            counter.update(len(next(iter(columns.values()))) + bad)
            parts.append(_wanted(columns, layout))
            skipped += bad
    if not any(len(next(iter(part.values()))) for part in parts):
        wanted = f" with {layout.keep[0]} {shorten(sorted(layout.keep[1]))}" if layout.keep else ""
        raise UserError(f"{path} holds no {'good ' if skipped else ''}row{wanted}: export it again")
    left = list(parts[0])
    names = {c: joined_names(parts, c) for c in left if layout.kinds[c].numbers is None}
    numbers = {c: joined_numbers(parts, c) for c in left if layout.kinds[c].numbers}
    return RawTable(names, numbers, skipped)


def _without_header(block: Block, layout: Layout) -> Block:
    header = next(rows_of(block, layout.delimiter))
    lines = block.text.splitlines(keepends=True)[header.last :]
    return Block(b"".join(lines), header.last + 1, block.quoted)


def _read_block(
    path: Path, block: Block, layout: Layout, skip_bad_rows: bool
) -> tuple[Columns, int]:
    """Columns of a block, and how many bad rows were left out."""
    try:
        return _parse(block, layout), 0
    except (BadColumn, pyarrow.ArrowInvalid, pyarrow.ArrowKeyError) as error:
        reason = shorten(str(error)) if str(error) else "a value is bad"
    try:
        faults = {row.first: problem for row, problem in _faults(block, layout)}
        if faults and not skip_bad_rows:
            line, problem = next(iter(faults.items()))
            raise UserError(
                f"{path}, line {line}: {problem}; correct the row, or leave such rows out with "
                "--skip-bad-rows"
            )
        good = [r.text for r in rows_of(block, layout.delimiter) if r.first not in faults]
        return _parse(Block(_lines(good), block.first_line, block.quoted), layout), len(faults)
    except (BadColumn, pyarrow.ArrowInvalid, pyarrow.ArrowKeyError, plain_csv.Error) as error:
        raise UserError(
            f"{path}, lines {block.first_line} to {block.first_line + block.lines - 1} cannot be "
            f"read ({shorten(str(error) or reason)}): export the file again"
        ) from error


def _lines(texts: list[bytes]) -> bytes:
    return b"".join(text if text.endswith((b"\n", b"\r")) else text + b"\n" for text in texts)


def _parse(block: Block, layout: Layout) -> Columns:
    if not block.text.strip(b"\r\n"):
        return {column: _no_values(kind) for column, kind in layout.kinds.items()}
    _check_quotes(block, layout)
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
    if block.quoted and not layout.line_ends and table.num_rows != _filled_lines(block):
        raise BadColumn
    return {c: _values(table[str(layout.places[c])], kind) for c, kind in layout.kinds.items()}


def _check_quotes(block: Block, layout: Layout) -> None:
    if block.quoted and block.text.count(b'"') % 2:
        raise BadColumn


def _filled_lines(block: Block) -> int:
    return sum(1 for line in block.text.splitlines() if line)


def _no_values(kind: Kind) -> pyarrow.ChunkedArray | FloatArray:
    return np.empty(0) if kind.numbers else pyarrow.chunked_array([], kind.arrow)


def _values(column: pyarrow.ChunkedArray, kind: Kind) -> pyarrow.ChunkedArray | FloatArray:
    if kind.numbers:
        return kind.numbers(column)
    check_names(column, kind.empty)
    return column


def _wanted(columns: Columns, layout: Layout) -> Columns:
    if layout.keep is None:
        return columns
    column, names = layout.keep
    rows = compute.is_in(
        columns[column].cast(pyarrow.string()), pyarrow.array(sorted(names), pyarrow.string())
    )
    return {c: _filtered(values, rows) for c, values in columns.items() if c != column}


def _filtered(values: Any, rows: pyarrow.ChunkedArray) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows.to_numpy()]
    kept = values.filter(rows)
    if 2 * len(kept) < len(values):  # do not carry the names of rows that went
        kept = kept.cast(pyarrow.string()).dictionary_encode().cast(CODED)
    return kept


def _faults(block: Block, layout: Layout) -> Iterator[tuple[Row, str]]:
    for row in rows_of(block, layout.delimiter):
        problem = _row_problem(row, layout, block.quoted)
        if problem:
            yield row, problem


def _row_problem(row: Row, layout: Layout, quoted: bool) -> str | None:
    if quoted and row.text.count(b'"') % 2:
        return "a double quote is never closed"
    if row.last > row.first and not layout.line_ends:
        return f"a quoted value goes on to line {row.last}"
    if len(row.fields) != layout.width:
        return f"{len(row.fields)} values instead of {layout.width}"
    for column, kind in layout.kinds.items():
        text = row.fields[layout.places[column]]
        # Columns that nobody reads may hold what they like.
        problem = kind.problem(text) if NOT_TEXT.search(text) is None else "not UTF-8 text"
        if problem:
            return f"{column}: {problem}"
    return None


# ------------------------------------------------------------------------------ joining


def joined_names(parts: Sequence[Columns], column: str) -> Names:
    """One column of names taken out of all parts, names in order of first appearance."""
    chunks = [chunk for part in parts for chunk in part.pop(column).chunks]
    if not chunks:
        return Names(np.empty(0, np.int32), pyarrow.array([], pyarrow.string()))
    unified = pyarrow.chunked_array(chunks).unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in unified.chunks])
    return Names(codes, unified.chunk(0).dictionary)


def joined_numbers(parts: Sequence[Columns], column: str) -> FloatArray:
    """One column of numbers taken out of all parts."""
    return np.concatenate([*(part.pop(column) for part in parts), np.empty(0)])
