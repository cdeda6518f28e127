"""Reader ``csv``: anyone's own click log, delimited text or parquet."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace

import numpy as np
import pyarrow

from recbole_a2d.data.categories import training_categories
from recbole_a2d.data.epochs import UNITS, epoch_seconds, span_warnings
from recbole_a2d.data.lineage import (
    DAY,
    Rules,
    add_rule_arguments,
    group_clicks,
    rules_from,
    split_log,
)
from recbole_a2d.data.pauses import cut_at_pauses, parse_gap
from recbole_a2d.data.raw_columns import NAME, NUMBERS, OPTIONAL_NAME, times_like
from recbole_a2d.data.raw_layout import (
    Layout,
    find_columns,
    guess_delimiter,
    read_first_rows,
    usual_width,
    values_at,
)
from recbole_a2d.data.raw_parquet import is_parquet, read_parquet
from recbole_a2d.data.raw_table import CodeArray, Names, RawTable
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.headed import add_row_arguments, note_skipped, raw_log, read_counted
from recbole_a2d.data.tables import ConvertedLog
from recbole_a2d.errors import UserError

TEST_FRACTION = 0.1
RULES = Rules(at_cut="train")
GAP = "30m"
LONG_SESSION = 1_000
"""Clicks that a shopper makes in one visit at most."""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument("--item", required=True, help="column of the item id", metavar="COLUMN")
    parser.add_argument("--time", required=True, help="column of the time", metavar="COLUMN")
    parser.add_argument("--session", help="column of the session id, or else:", metavar="COLUMN")
    parser.add_argument("--user", help="column of the user id, cut into sessions", metavar="COLUMN")
    parser.add_argument(
        "--gap", help=f"with --user: a longer pause starts a session (default: {GAP})"
    )
    parser.add_argument("--category", help="column of the item's category", metavar="COLUMN")
    parser.add_argument(
        "--time-unit",
        choices=("auto", *UNITS),
        default="auto",
        help="unit of times that are numbers since 1970 (default: by their size); other times "
        "are ISO 8601, with or without the word UTC, UTC where they name no zone",
    )
    parser.add_argument(
        "--test-days",
        type=float,
        help="test period: days before the last session to test on; excludes --test-fraction",
    )
    parser.add_argument(
        "--test-fraction",
        type=float,
        help="share of the sessions, the last by time, to test on; excludes --test-days and has "
        f"no --at-cut (default: {TEST_FRACTION})",
    )
    add_rule_arguments(parser, RULES)
    parser.set_defaults(at_cut=None)  # tells an option that was given from the default
    _add_text_arguments(parser)


def _add_text_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--delimiter", help="between values; 'tab' for a tab (default: found in the first line)"
    )
    parser.add_argument(
        "--no-header", action="store_true", help="the columns are numbers, counted from 1"
    )
    parser.add_argument(
        "--no-quotes", action="store_true", help='take " for a character like any other'
    )
    parser.add_argument(
        "--line-ends-in-quotes", action="store_true", help="quoted values may hold line ends"
    )
    add_row_arguments(parser)


def read(args: Namespace) -> ConvertedLog:
    """Read the log, make sessions, and split them by time.

    Raises:
        UserError: an option or the file is at fault, or the rules leave nothing.
    """
    _check_options(args)
    rules, gap = _rules(args), GAP if args.gap is None else args.gap
    pause = parse_gap(gap)
    table = _read_columns(args)
    seconds = table.numbers["time"]
    codes, names = _sessions(table, pause)
    training, test = split_log(
        group_clicks(
            session=codes,
            item=table.names["item"].codes,
            time=seconds,
            n_sessions=len(names),
            order_by=rules.order_by(seconds),
        ),
        rules,
    )
    table.names["session"] = Names(codes, names)
    log = raw_log(
        args,
        READER.name,
        table,
        (training, test),
        names,
        training_categories(table, training) if args.category else {},
        rules,
        f"From {args.raw.name}: clicks of a session in order of {rules.order}."
        + (f" A pause over {gap} starts a session." if args.user else ""),
    )
    longest = () if rules.max_session_clicks else _longest_session(codes, names)
    return replace(log, warnings=(*span_warnings(seconds), *longest))


def _check_options(args: Namespace) -> None:
    """Refuse options that exclude each other or change nothing.

    Raises:
        UserError: as said.
    """
    if (args.session is None) == (args.user is None):
        raise UserError("give --session COLUMN, or --user COLUMN and --gap, to make sessions")
    if args.test_days is not None and args.test_fraction is not None:
        raise UserError("give --test-days or --test-fraction, not both")
    if args.no_quotes and args.line_ends_in_quotes:
        raise UserError("give --no-quotes or --line-ends-in-quotes, not both")
    if args.gap is not None and args.user is None:
        raise UserError("--gap cuts the clicks of a --user, not those of a --session: leave it out")
    if args.at_cut is not None and args.test_days is None:
        raise UserError("--at-cut is for a cut by --test-days: give both, or leave it out")
    if is_parquet(args.raw):
        _check_parquet_options(args)


def _check_parquet_options(args: Namespace) -> None:
    for option in ("delimiter", "no_header", "no_quotes", "line_ends_in_quotes"):
        if getattr(args, option):
            raise UserError(
                f"{args.raw} is parquet, and --{option.replace('_', '-')} is for delimited text: "
                "leave it out"
            )


def _rules(args: Namespace) -> Rules:
    args.at_cut = args.at_cut or RULES.at_cut
    if args.test_days is not None:
        return rules_from(args, args.test_days * DAY)
    fraction = TEST_FRACTION if args.test_fraction is None else args.test_fraction
    return rules_from(args, DAY, fraction)


def _sessions(table: RawTable, gap: float) -> tuple[CodeArray, pyarrow.StringArray]:
    if "session" in table.names:
        return table.names["session"].codes, table.names["session"].names
    return cut_at_pauses(table.names["user"], table.numbers["time"], gap)


def _longest_session(codes: CodeArray, names: pyarrow.StringArray) -> tuple[str, ...]:
    """A warning where the longest session is longer than any shopper's."""
    clicks = np.bincount(codes)
    longest = int(clicks.argmax())
    if clicks[longest] <= LONG_SESSION:
        return ()
    return (
        f"session {names[longest].as_py()!r} has {clicks[longest]:,} clicks: if it stands for "
        "missing ids, or is a robot's, leave its rows out, or give --max-session-clicks",
    )


# ------------------------------------------------------------------------------ columns


def _read_columns(args: Namespace) -> RawTable:
    columns = _named_columns(args)
    if is_parquet(args.raw):
        table, numeric = read_parquet(args.raw, columns, args.skip_bad_rows)
        note_skipped(args, args.raw, table)
    else:
        layout = _layout(args, columns)
        table = read_counted(args.raw, layout, args)
        numeric = layout.kinds["time"] is NUMBERS
    if numeric:
        return epoch_seconds(table, args.raw, args.time_unit)
    if args.time_unit != "auto":
        raise UserError(
            f"{args.raw}: the times are dates, not numbers since 1970: leave --time-unit out"
        )
    return table


def _named_columns(args: Namespace) -> dict[str, str]:
    """Role to column name, as the options say.

    Raises:
        UserError: two options name one column.
    """
    role_of_column: dict[str, str] = {}
    for role in ("session", "user", "item", "time", "category"):
        column = getattr(args, role)
        if column in role_of_column:
            raise UserError(
                f"--{role_of_column[column]} and --{role} both name the column {column!r}: name "
                "another one, or leave out what the log does not have"
            )
        if column is not None:
            role_of_column[column] = role
    return {role: column for column, role in role_of_column.items()}


def _layout(args: Namespace, columns: dict[str, str]) -> Layout:
    delimiter = _delimiter(args.delimiter)
    rows = read_first_rows(args.raw, delimiter, not args.no_quotes, args.line_ends_in_quotes)
    delimiter = delimiter or guess_delimiter(rows[0].text)
    header = _numbers(usual_width(rows)) if args.no_header else rows.pop(0).fields
    places = find_columns(
        args.raw,
        header,
        {role: (name,) for role, name in columns.items()},
        f"name one of these, or give the --delimiter if it is not {delimiter!r}",
    )
    times = values_at(places["time"], rows, len(header))
    kinds = {role: OPTIONAL_NAME if role == "category" else NAME for role in columns}
    return Layout(
        kinds={**kinds, "time": times_like(times)},
        places=places,
        width=len(header),
        delimiter=delimiter,
        header=not args.no_header,
        quotes=not args.no_quotes,
        line_ends=args.line_ends_in_quotes,
    )


def _numbers(width: int) -> list[str]:
    """Names of the columns of a file that names none."""
    return [str(number) for number in range(1, width + 1)]


def _delimiter(text: str | None) -> str | None:
    if text in ("tab", "\\t"):
        return "\t"
    if text is not None and (len(text) != 1 or not text.isascii() or text in '"\r\n\0'):
        raise UserError(f"--delimiter {text!r} must be one character, or 'tab'")
    return text


READER = Reader(
    name="csv",
    summary="your own log: delimited text (plain, .gz, .zip) or parquet, columns by name",
    add_arguments=add_arguments,
    read=read,
    raw_help="file of the log",
)
