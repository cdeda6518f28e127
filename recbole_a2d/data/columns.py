"""Strict and fast reading of the columns of an atomic file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow
from pyarrow import compute, csv

from recbole_a2d.errors import UserError

FLOAT = "float"
CONVERT_AGAIN = "convert the data set again"


def read_columns(
    path: Path,
    fields: Sequence[str],
    may_be_empty: Sequence[str] = (),
    remedy: str = CONVERT_AGAIN,
) -> pyarrow.Table:
    """Read the named columns of a tab separated file.

    Args:
        path: file whose first line names its columns as ``field:type``.
        fields: columns to return, in this order; others in the file are passed over.
        may_be_empty: token columns in which a row may have no value.
        remedy: what to do where the file is missing or cannot be read.

    Raises:
        UserError: no such file, a column is missing, or a row is broken; names the line.
    """
    header = read_header(path, remedy)
    missing = [field for field in fields if field not in header]
    if missing or len(set(header)) < len(header):
        raise UserError(
            f"{path}, line 1: the header must hold {' and '.join(map(repr, fields))}, each once, "
            f"separated by tabs; found {header}: correct the header, or {remedy}"
        )
    try:
        table = _parse(path, fields)
    except pyarrow.ArrowInvalid as error:
        raise _first_fault(path, fields, may_be_empty, str(error), remedy) from error
    if _has_fault(table, [field for field in fields if field not in may_be_empty]):
        raise _first_fault(path, fields, may_be_empty, "a value is missing", remedy)
    return table


def read_header(path: Path, remedy: str = CONVERT_AGAIN) -> list[str]:
    """Column names of an atomic file; ``remedy`` says what to do where it is missing."""
    if not path.is_file():
        raise UserError(f"{path} is missing: {remedy}")
    try:
        with path.open("rb") as file:
            return file.readline().decode("utf-8").rstrip("\r\n").split("\t")
    except UnicodeDecodeError:
        raise UserError(f"{path}, line 1: not UTF-8 text; save the file as UTF-8") from None


def is_float(field: str) -> bool:
    """Whether a column such as ``timestamp:float`` holds numbers."""
    return field.endswith(":" + FLOAT)


def _parse(path: Path, fields: Sequence[str]) -> pyarrow.Table:
    types = {f: pyarrow.float64() if is_float(f) else pyarrow.string() for f in fields}
    return csv.read_csv(
        path,
        parse_options=csv.ParseOptions(
            delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False
        ),
        convert_options=csv.ConvertOptions(
            column_types=types, include_columns=list(fields), null_values=[]
        ),
    )


def _has_fault(table: pyarrow.Table, needed: Sequence[str]) -> bool:
    return any(_column_has_fault(table[field], is_float(field)) for field in needed)


def _column_has_fault(column: pyarrow.ChunkedArray, numeric: bool) -> bool:
    filled = compute.is_finite if numeric else compute.binary_length
    good = compute.not_equal(compute.cast(filled(column), "int64"), 0)
    return column.null_count > 0 or compute.all(good, min_count=0).as_py() is False


def _first_fault(
    path: Path, fields: Sequence[str], may_be_empty: Sequence[str], reason: str, remedy: str
) -> UserError:
    """Find the first broken line by reading slowly, for the message."""
    for number, problem in _faults(path, fields, may_be_empty):
        return UserError(f"{path}, line {number}: {problem}; correct it, or {remedy}")
    return UserError(f"{path} cannot be read ({reason}): correct it, or {remedy}")


def _faults(
    path: Path, fields: Sequence[str], may_be_empty: Sequence[str]
) -> Iterator[tuple[int, str]]:
    header = read_header(path)
    with path.open("rb") as file:
        file.readline()
        for number, line in enumerate(file, start=2):
            try:
                values = line.decode("utf-8").rstrip("\r\n").split("\t")
            except UnicodeDecodeError:
                yield number, "not UTF-8 text"
                continue
            if len(values) != len(header):
                yield number, f"{len(values)} fields instead of {len(header)}"
                continue
            row = dict(zip(header, values, strict=True))
            yield from ((number, p) for p in _value_faults(row, fields, may_be_empty))


def _value_faults(
    row: dict[str, str], fields: Sequence[str], may_be_empty: Sequence[str]
) -> Iterator[str]:
    for field in fields:
        if row[field] == "" and field not in may_be_empty:
            yield f"no value for '{field}'"
        elif is_float(field) and not _is_number(row[field]):
            yield f"{row[field]!r} is not a number for '{field}'"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
