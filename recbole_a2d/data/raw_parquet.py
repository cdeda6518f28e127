"""Columns of a parquet file, in the same form as those of a delimited one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet, types

from recbole_a2d.data.parquet_columns import ParquetColumn, column_of
from recbole_a2d.data.progress import row_counter
from recbole_a2d.data.raw_columns import CODED
from recbole_a2d.data.raw_files import require_file
from recbole_a2d.data.raw_layout import shorten
from recbole_a2d.data.raw_table import RawTable, joined_names, joined_numbers
from recbole_a2d.data.tables import BoolArray
from recbole_a2d.errors import UserError

BATCH_ROWS = 1 << 20


def is_parquet(path: Path) -> bool:
    """Whether a file is parquet by its name or its first bytes."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_parquet(
    path: Path, columns: Mapping[str, str], skip_bad_rows: bool = False
) -> tuple[RawTable, bool]:
    """Read columns of a parquet file.

    Args:
        path: of the file.
        columns: role (``time``, ``category``, or another name column) to column name.
        skip_bad_rows: leave bad rows out and count them.

    Returns:
        The table, and whether its times are bare numbers since 1970 instead of seconds.

    Raises:
        UserError: the file is missing, damaged or empty, or a column or row is at fault.
    """
    require_file(path)
    try:
        return _read(path, columns, skip_bad_rows)
    except pyarrow.ArrowCapacityError:
        raise  # the file is fine, its ids are too many
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise UserError(
            f"{path} is truncated or not parquet ({shorten(str(error))}): export it again"
        ) from error


def _read(path: Path, columns: Mapping[str, str], skip_bad_rows: bool) -> tuple[RawTable, bool]:
    parts: list[dict[str, Any]] = []
    skipped = first_row = 0
    with (
        parquet.ParquetFile(path, page_checksum_verification=True) as file,
        row_counter(path.name) as counter,
    ):
        readers = _readers(path, file.schema_arrow, columns)
        for batch in file.iter_batches(BATCH_ROWS, columns=[*dict.fromkeys(columns.values())]):
            values, bad = _batch_columns(batch, columns, readers)
            rows = np.flatnonzero(bad)
            if len(rows) and not skip_bad_rows:
                raise UserError(
                    f"{path}, row {first_row + int(rows[0]) + 1}: "
                    f"{_problem(batch.slice(rows[0], 1), columns, readers)}; correct the row, or "
                    "leave such rows out with --skip-bad-rows"
                )
            parts.append({role: _kept(column, ~bad) for role, column in values.items()})
            skipped += len(rows)
            first_row += batch.num_rows
            counter.update(batch.num_rows)
    if first_row == skipped:
        raise UserError(f"{path} holds no {'good ' if skipped else ''}row: export it again")
    names = {role: joined_names(parts, role) for role in columns if role != "time"}
    table = RawTable(names, {"time": joined_numbers(parts, "time")}, skipped)
    return table, readers["time"].is_epoch


def _readers(
    path: Path, schema: pyarrow.Schema, columns: Mapping[str, str]
) -> dict[str, ParquetColumn]:
    readers = {}
    for role, name in columns.items():
        count = schema.names.count(name)
        if count != 1:
            raise UserError(
                f"{path}: {'no' if not count else 'more than one'} column {name!r}; it has "
                f"{shorten(schema.names)}: {'rename all but one' if count else 'name one of these'}"
            )
        reader = column_of(role, schema.field(name).type)
        if reader is None:
            kind = schema.field(name).type
            raise UserError(
                f"{path}: column {name!r} holds {kind}, which is no {role}: {_remedy(role, kind)}"
            )
        readers[role] = reader
    return readers


def _remedy(role: str, kind: pyarrow.DataType) -> str:
    if role == "time":
        return "save it as timestamps, dates, numbers since 1970 or ISO texts"
    if types.is_floating(kind):
        return (
            "cast it to whole numbers or text (pandas makes doubles of whole numbers where one is "
            "missing)"
        )
    return "cast it to whole numbers or text"


def _batch_columns(
    batch: pyarrow.RecordBatch, columns: Mapping[str, str], readers: Mapping[str, ParquetColumn]
) -> tuple[dict[str, Any], BoolArray]:
    """Values by role, and which rows are bad."""
    bad = np.zeros(batch.num_rows, dtype=bool)
    values = {}
    for role, name in columns.items():
        values[role], faults = readers[role].read(batch.column(name))
        bad |= faults
    return values, bad


def _problem(
    row: pyarrow.RecordBatch, columns: Mapping[str, str], readers: Mapping[str, ParquetColumn]
) -> str:
    problems = {role: readers[role].problem(row.column(name)) for role, name in columns.items()}
    return next(f"{role}: {problem}" for role, problem in problems.items() if problem)


def _kept(values: Any, rows: BoolArray) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows]
    kept = values.filter(pyarrow.array(rows)).dictionary_encode().cast(CODED)
    return pyarrow.chunked_array([kept])
