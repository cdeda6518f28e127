"""How a column of a parquet file is read, by its type, and what is wrong with a bad row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import islice
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute, types

from recbole_a2d.data.raw_columns import (
    NAME,
    NUMBERS,
    OPTIONAL_NAME,
    SAMPLE_ROWS,
    UNUSABLE,
    BadColumn,
    Kind,
    is_instant,
    iso_times,
    times_like,
)
from recbole_a2d.data.tables import BoolArray, FloatArray

DAY = 86_400
PARTS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000}  # the last one after a cut


class ParquetColumn(ABC):
    """One column: values of a batch of rows, and the fault of a single row.

    Attributes:
        is_epoch: whether the values are bare numbers since 1970, of a unit the file does not tell.
    """

    is_epoch = False

    @abstractmethod
    def read(self, column: pyarrow.Array) -> tuple[Any, BoolArray]:
        """Values (texts of Arrow or floats), and which rows are bad; shape ``[rows]``."""

    @abstractmethod
    def problem(self, row: pyarrow.Array) -> str | None:
        """What is wrong with a column of one row, None where it is fine."""


def column_of(role: str, kind: pyarrow.DataType) -> ParquetColumn | None:
    """How a column of a type is read for a role (``time``, ``category``, another name).

    None where the type cannot be used for the role.
    """
    plain = kind.value_type if types.is_dictionary(kind) else kind
    if role != "time":
        return _Names(role == "category") if _is_name(plain) else None
    if _is_text(plain):
        return _TextTimes()
    if types.is_timestamp(plain) or types.is_date(plain):
        return _Instants()
    return _Numbers() if types.is_integer(plain) or types.is_floating(plain) else None


def _is_text(kind: pyarrow.DataType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind)


def _is_name(kind: pyarrow.DataType) -> bool:
    return _is_text(kind) or types.is_integer(kind)


class _Names(ParquetColumn):
    """Ids: texts or whole numbers."""

    def __init__(self, empty: bool) -> None:
        self.kind = OPTIONAL_NAME if empty else NAME

    def read(self, column: pyarrow.Array) -> tuple[Any, BoolArray]:
        texts, bad = _texts(column)
        bad |= _mask(compute.match_substring_regex(texts, UNUSABLE))
        if not self.kind.empty:
            bad |= _mask(compute.equal(texts, ""))
        return texts, bad

    def problem(self, row: pyarrow.Array) -> str | None:
        return _text_problem(row, self.kind)


class _Numbers(ParquetColumn):
    """Times as numbers since 1970."""

    is_epoch = True

    def read(self, column: pyarrow.Array) -> tuple[Any, BoolArray]:
        numbers = compute.fill_null(_decoded(column).cast(pyarrow.float64(), safe=False), np.nan)
        values = numbers.to_numpy(zero_copy_only=False)
        bad = ~np.isfinite(values)
        return np.where(bad, 0.0, values), bad

    def problem(self, row: pyarrow.Array) -> str | None:
        value = row[0].as_py()
        return NUMBERS.problem("" if value is None else str(value))


class _Instants(ParquetColumn):
    """Times as the file's own kind of time or date, cut to microseconds."""

    def read(self, column: pyarrow.Array) -> tuple[Any, BoolArray]:
        column = _decoded(column)
        bad = _mask(column.is_null())
        if types.is_date32(column.type):
            return _whole(column.cast(pyarrow.int32())).astype(np.float64) * DAY, bad
        numbers, unit = _whole(column), getattr(column.type, "unit", "ms")
        return (numbers // 1000 if unit == "ns" else numbers) / PARTS[unit], bad

    def problem(self, row: pyarrow.Array) -> str | None:
        return None if row.null_count == 0 else "a value is missing"


class _TextTimes(ParquetColumn):
    """Times as ISO texts; most of the first ones of the file tell whether they name a zone."""

    def __init__(self) -> None:
        self.kind: Kind | None = None

    def read(self, column: pyarrow.Array) -> tuple[Any, BoolArray]:
        texts, bad = _texts(column)
        bad |= _mask(compute.equal(texts, ""))
        kind = self._kind(texts.filter(pyarrow.array(~bad)))
        values = np.zeros(len(texts))
        try:
            values[~bad] = _times(texts.filter(pyarrow.array(~bad)), kind)
        except (pyarrow.ArrowInvalid, BadColumn):
            bad |= [kind.problem(text) is not None for text in texts.to_pylist()]
            values[~bad] = _times(texts.filter(pyarrow.array(~bad)), kind)
        return values, bad

    def problem(self, row: pyarrow.Array) -> str | None:
        return _text_problem(row, self._kind(_texts(row)[0]))

    def _kind(self, texts: pyarrow.StringArray) -> Kind:
        if self.kind is None:
            instants = filter(is_instant, (text.as_py() for text in texts))
            samples = list(islice(instants, SAMPLE_ROWS))
            self.kind = times_like(samples) if samples else None
        return self.kind or iso_times(False)


def _times(texts: pyarrow.StringArray, kind: Kind) -> FloatArray:
    assert kind.numbers is not None
    return kind.numbers(pyarrow.chunked_array([texts.cast(kind.arrow)]))


def _text_problem(row: pyarrow.Array, kind: Kind) -> str | None:
    texts, broken = _texts(row)
    return "not UTF-8 text" if broken[0] else kind.problem(texts[0].as_py())


def _texts(column: pyarrow.Array) -> tuple[pyarrow.StringArray, BoolArray]:
    """Values as texts, empty where there is none, and which rows are not UTF-8."""
    texts = compute.fill_null(_decoded(column).cast(pyarrow.string()), "")
    broken = np.zeros(len(texts), dtype=bool)
    try:
        texts.validate(full=True)  # parquet promises UTF-8, nobody has looked so far
    except pyarrow.ArrowInvalid:
        broken |= [not _is_utf8(raw) for raw in texts.cast(pyarrow.binary()).to_pylist()]
        texts = compute.if_else(pyarrow.array(broken), "", texts)
    return texts, broken


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(column: pyarrow.Array) -> pyarrow.Array:
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def _whole(column: pyarrow.Array) -> Any:
    numbers = compute.fill_null(column.cast(pyarrow.int64()), 0)
    return numbers.to_numpy(zero_copy_only=False)


def _mask(values: pyarrow.BooleanArray) -> BoolArray:
    mask: BoolArray = values.to_numpy(zero_copy_only=False)
    return mask
