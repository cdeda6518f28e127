"""Columns of a parquet file, in the same form as those of a delimited one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute, parquet, types

from recbole_a2d.data.progress import row_counter
from recbole_a2d.data.raw_columns import (
    CODED,
    MICROSECONDS,
    UNUSABLE,
    has_zone,
    iso_times,
)
from recbole_a2d.data.raw_table import RawTable, joined_names, joined_numbers, shorten
from recbole_a2d.data.tables import BoolArray
from recbole_a2d.errors import UserError

BATCH_ROWS = 1 << 20


def is_parquet(path: Path) -> bool:
    """Whether a file is parquet by its name or its first bytes."""
    if path.suffix in (".parquet", ".pq"):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_parquet(path: Path, columns: Mapping[str, str], skip_bad_rows: bool = False) -> RawTable:
    """Read columns of a parquet file.

    Args:
        path: of the file.
        columns: role (``time``, ``category``, or another name column) to column name.
        skip_bad_rows: leave bad rows out and count them.

    Raises:
        UserError: the file is missing, damaged or empty, or a column or row is at fault.
    """
    try:
        return _read(path, columns, skip_bad_rows)
    except FileNotFoundError:
        raise UserError(f"{path} is not a file: give the raw file to --raw") from None
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise UserError(
            f"{path} is truncated or not parquet ({shorten(str(error))}): export it again"
        ) from error


def _read(path: Path, columns: Mapping[str, str], skip_bad_rows: bool) -> RawTable:
    parts: list[dict[str, Any]] = []
    skipped = first_row = 0
    with parquet.ParquetFile(path) as file, row_counter(path.name) as counter:
        _check_columns(path, file.schema_arrow, columns)
        for batch in file.iter_batches(BATCH_ROWS, columns=[*dict.fromkeys(columns.values())]):
            values, bad = _batch_columns(batch, columns)
            rows = np.flatnonzero(bad)
            if len(rows) and not skip_bad_rows:
                raise UserError(
                    f"{path}, row {first_row + int(rows[0]) + 1}: a value is missing or cannot be "
                    "used; correct the row, or leave such rows out with --skip-bad-rows"
                )
            parts.append({role: _kept(column, ~bad) for role, column in values.items()})
            skipped += len(rows)
            first_row += batch.num_rows
            counter.update(batch.num_rows)
    if first_row == skipped:
        raise UserError(f"{path} holds no {'good ' if skipped else ''}row: export it again")
    names = {role: joined_names(parts, role) for role in columns if role != "time"}
    return RawTable(names, {"time": joined_numbers(parts, "time")}, skipped)


def _check_columns(path: Path, schema: pyarrow.Schema, columns: Mapping[str, str]) -> None:
    for role, name in columns.items():
        if schema.names.count(name) != 1:
            raise UserError(f"{path}: no column {name!r}; it has {shorten(schema.names)}")
        kind = schema.field(name).type
        good = _is_time(kind) if role == "time" else _is_name(kind)
        if not good:
            raise UserError(f"{path}: column {name!r} holds {kind}, which is no {role}")


def _is_text(kind: pyarrow.DataType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)


def _is_name(kind: pyarrow.DataType) -> bool:
    return _is_text(kind) or types.is_integer(kind)


def _is_time(kind: pyarrow.DataType) -> bool:
    number = types.is_integer(kind) or types.is_floating(kind)
    return number or _is_text(kind) or types.is_timestamp(kind) or types.is_date(kind)


def _batch_columns(
    batch: pyarrow.RecordBatch, columns: Mapping[str, str]
) -> tuple[dict[str, Any], BoolArray]:
    """Values by role, and which rows are bad."""
    bad = np.zeros(batch.num_rows, dtype=bool)
    values = {}
    for role, name in columns.items():
        convert = _times if role == "time" else _names
        values[role], faults = convert(batch.column(name), role == "category")
        bad |= faults
    return values, bad


def _names(column: pyarrow.Array, empty: bool) -> tuple[pyarrow.Array, BoolArray]:
    texts = compute.fill_null(column.cast(pyarrow.string()), "")
    bad = compute.match_substring_regex(texts, UNUSABLE)
    if not empty:
        bad = compute.or_(bad, compute.equal(texts, ""))
    return texts, bad.to_numpy(zero_copy_only=False)


def _times(column: pyarrow.Array, empty: bool) -> tuple[Any, BoolArray]:
    kind = column.type
    if types.is_timestamp(kind) or types.is_date(kind):
        whole = column.cast(pyarrow.timestamp("us", getattr(kind, "tz", None)), safe=False)
        seconds = compute.fill_null(whole.cast(pyarrow.int64()), 0).to_numpy() / MICROSECONDS
        return seconds, column.is_null().to_numpy(zero_copy_only=False)
    if _is_text(kind):
        return _text_times(column.cast(pyarrow.string()).to_pylist())
    numbers = compute.fill_null(column.cast(pyarrow.float64(), safe=False), np.nan).to_numpy()
    bad = ~np.isfinite(numbers)
    return np.where(bad, 0.0, numbers), bad


def _text_times(texts: list[str | None]) -> tuple[Any, BoolArray]:
    first = next((text for text in texts if text), "")
    kind = iso_times(has_zone(first))
    bad = np.array([kind.problem(text or "") is not None for text in texts], dtype=bool)
    some = "1970-01-01T00Z" if has_zone(first) else "1970-01-01"
    filled = [some if b else str(t) for t, b in zip(texts, bad.tolist(), strict=True)]
    assert kind.numbers is not None
    return kind.numbers(pyarrow.chunked_array([pyarrow.array(filled).cast(kind.arrow)])), bad


def _kept(values: Any, rows: BoolArray) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows]
    kept = values.filter(pyarrow.array(rows)).dictionary_encode().cast(CODED)
    return pyarrow.chunked_array([kept])
