"""What the readers of raw logs with a header row share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from recbole_a2d.data.raw_columns import Kind
from recbole_a2d.data.raw_table import (
    Layout,
    RawTable,
    find_columns,
    guess_delimiter,
    read_first_rows,
    read_table,
)


def add_row_arguments(parser: ArgumentParser) -> None:
    """The option for bad rows."""
    parser.add_argument(
        "--skip-bad-rows",
        action="store_true",
        help="leave out rows that cannot be read and count them (default: stop at the first)",
    )


def read_headed(
    path: Path,
    spellings: Mapping[str, Sequence[str]],
    kinds: Mapping[str, Kind],
    args: Namespace,
    keep: tuple[str, frozenset[str]] | None = None,
) -> RawTable:
    """Read the columns of a file that its header names, whatever delimits them.

    Args:
        path: plain, gzip or zip.
        spellings: accepted header names of each column.
        kinds: kind of each column.
        args: holds ``skip_bad_rows``.
        keep: a name column, and the names whose rows are wanted.

    Raises:
        UserError: a column is missing or a row is bad.
    """
    header = read_first_rows(path)[0]
    layout = Layout(
        kinds=kinds,
        places=find_columns(path, header.fields, spellings),
        width=len(header.fields),
        delimiter=guess_delimiter(header.text),
        keep=keep,
    )
    return read_table(path, layout, args.skip_bad_rows)


def row_notes(*tables: RawTable) -> tuple[str, ...]:
    """Remark on rows that were left out."""
    skipped = sum(table.skipped for table in tables)
    return (f"{skipped:,} bad rows were left out (--skip-bad-rows).",) if skipped else ()
