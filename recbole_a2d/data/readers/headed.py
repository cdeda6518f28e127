"""What the readers of raw logs share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow

from recbole_a2d.data.lineage import Rules, named
from recbole_a2d.data.preprocess import build_log
from recbole_a2d.data.raw_columns import Kind
from recbole_a2d.data.raw_layout import Layout, find_columns, guess_delimiter, read_first_rows
from recbole_a2d.data.raw_table import RawTable, read_table
from recbole_a2d.data.tables import Clicks, ConvertedLog
from recbole_a2d.errors import UserError


def add_row_arguments(parser: ArgumentParser) -> None:
    """The option for bad rows."""
    parser.add_argument(
        "--skip-bad-rows",
        action="store_true",
        help="leave out rows that cannot be read and count them (default: stop at the first)",
    )


def listed(option: str, text: str, known: Collection[str]) -> list[str]:
    """Words of an option that takes several, separated by commas; blanks around them say nothing.

    Raises:
        UserError: one of them is none of the known ones.
    """
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            raise UserError(f"{option} {text}: {word!r} is none of {', '.join(known)}")
    return words


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
        args: holds ``skip_bad_rows``; how many were skipped is noted there.
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
    return read_counted(path, layout, args)


def read_counted(path: Path, layout: Layout, args: Namespace) -> RawTable:
    """``read_table`` that keeps the number of bad rows, see :func:`note_skipped`."""
    table = read_table(path, layout, args.skip_bad_rows)
    note_skipped(args, path, table)
    return table


def note_skipped(args: Namespace, path: Path, table: RawTable) -> None:
    """Keep the number of bad rows of a file for the remarks of the data set."""
    vars(args).setdefault("skipped_rows", {})[path.name] = table.skipped


def raw_log(
    args: Namespace,
    source: str,
    table: RawTable,
    split: tuple[Clicks, Clicks],
    session_names: pyarrow.StringArray,
    category_of_item: Mapping[str, str],
    rules: Rules,
    *notes: str,
) -> ConvertedLog:
    """The data set of a log that was read, made into sessions and split.

    Args:
        args: holds ``name``, ``valid_fraction`` and what ``note_skipped`` keeps.
        source: name of the reader.
        table: the rows; its column ``item`` names the items.
        split: training and test sessions.
        session_names: of the sessions' codes.
        category_of_item: item id to category id; items may be missing.
        rules: by which clicks were dropped.
        notes: remarks of the reader; those on the rules and on bad rows follow them.

    Raises:
        UserError: there is nothing to test or to train on.
    """
    training, test = split
    return build_log(
        name=args.name,
        source=source,
        training=named(training, session_names),
        test=named(test, session_names),
        item_tokens=table.names["item"].texts,
        category_of_item=category_of_item,
        valid_fraction=args.valid_fraction,
        notes=(*notes, *rules.notes, *_row_notes(args)),
    )


def _row_notes(args: Namespace) -> tuple[str, ...]:
    """Remarks on rows that were left out, one a file."""
    return tuple(
        f"Bad rows of {name} that were left out (--skip-bad-rows): {count:,}."
        for name, count in args.skipped_rows.items()
        if count
    )
