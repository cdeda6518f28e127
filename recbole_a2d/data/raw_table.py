"""Columns of a raw log in memory: names as codes, times as numbers, no row lost unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import compute

from recbole_a2d.data.progress import row_counter
from recbole_a2d.data.raw_blocks import read_blocks
from recbole_a2d.data.raw_columns import CODED
from recbole_a2d.data.raw_files import open_raw
from recbole_a2d.data.raw_layout import Layout, shorten
from recbole_a2d.data.raw_parse import Columns, read_block, without_header
from recbole_a2d.data.tables import BoolArray, FloatArray, StringArray
from recbole_a2d.errors import UserError

CodeArray = NDArray[np.integer[Any]]


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
        blocks = read_blocks(read, path, layout.quotes, line_ends=layout.line_ends)
        for number, block in enumerate(blocks):
            if number == 0 and layout.header:
                block = without_header(path, block, layout)
            columns, bad = read_block(path, block, layout, skip_bad_rows)
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
