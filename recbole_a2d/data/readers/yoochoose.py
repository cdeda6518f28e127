"""Reader ``yoochoose``: the clicks of the RecSys Challenge 2015, as downloaded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from fractions import Fraction
from pathlib import Path

import numpy as np

from recbole_a2d.data.categories import training_categories
from recbole_a2d.data.lineage import (
    DAY,
    Rules,
    add_days_argument,
    add_rule_arguments,
    group_clicks,
    rules_from,
    split_log,
)
from recbole_a2d.data.raw_columns import NAME, OPTIONAL_NAME, times_like
from recbole_a2d.data.raw_files import find_file
from recbole_a2d.data.raw_layout import (
    Layout,
    find_columns,
    guess_delimiter,
    read_first_rows,
    values_at,
)
from recbole_a2d.data.raw_table import RawTable
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.headed import add_row_arguments, raw_log, read_counted
from recbole_a2d.data.tables import Clicks, ConvertedLog
from recbole_a2d.errors import UserError

CLICKS = "yoochoose-clicks.dat"
COLUMNS = ("session", "time", "item", "category")
# Some copies begin with the header that the script of SR-GNN asks for.
SPELLINGS = {
    "session": ("session_id", "sessionId", "SessionId"),
    "time": ("timestamp", "Timestamp"),
    "item": ("item_id", "itemId", "ItemId"),
    "category": ("category", "Category"),
}
NO_CATEGORY = frozenset({"", "0", "S"})  # unknown, missing, special offer
FRACTION = "1/64"
RULES = Rules(order="file")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument(
        "--fraction",
        default=FRACTION,
        help=f"last part of the training rows to keep: 1/64, 1/4, 1 (default: {FRACTION})",
    )
    add_days_argument(parser, RULES)
    add_rule_arguments(parser, RULES)
    add_row_arguments(parser)


def read(args: Namespace) -> ConvertedLog:
    """Read the clicks.

    Raises:
        UserError: the file is missing or broken, or the rules leave nothing.
    """
    fraction, rules = parse_fraction(args.fraction), rules_from(args, args.test_days * DAY)
    path = find_file(args.raw, [CLICKS], "clicks of Yoochoose")
    table = read_counted(path, _layout(path), args)
    training, test = split_log(_sessions_of(table, rules), rules)
    training = last_rows(training, fraction)
    return raw_log(
        args,
        READER.name,
        table,
        (training, test),
        table.names["session"].names,
        training_categories(table, training, NO_CATEGORY),
        rules,
        f"Training rows: the last {fraction} by time, taken after the split; the session "
        "that holds the first of them is kept whole.",
        "Test sessions are filtered by the items of the full training part.",
        "Category: the most frequent of an item's training clicks that is not '0' or 'S'.",
    )


def parse_fraction(text: str) -> Fraction:
    """A fraction such as ``1/64``.

    Raises:
        UserError: it is none, or not in (0, 1].
    """
    try:
        fraction = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fraction = Fraction(0)
    if not 0 < fraction <= 1:
        raise UserError(f"--fraction {text} must be like 1/64, above 0 and at most 1")
    return fraction


def last_rows(training: Clicks, fraction: Fraction) -> Clicks:
    """Sessions from the one that holds the first of the last ``fraction`` of the rows.

    Raises:
        UserError: the fraction of the rows is less than one row.
    """
    rows_before = np.concatenate([[0], np.cumsum(training.sessions.lengths - 1)])
    total = int(rows_before[-1])
    kept = int(total * fraction)
    if total and not kept:
        raise UserError(f"--fraction {fraction} of {total} training rows is less than one row")
    first = int(np.searchsorted(rows_before, total - kept, side="right")) - 1
    n_sessions = len(training.sessions)
    return training.slice(min(first, n_sessions), n_sessions)


def _layout(path: Path) -> Layout:
    rows = read_first_rows(path)
    delimiter = guess_delimiter(rows[0].text)
    headed = rows[0].fields[0] in SPELLINGS["session"]
    header = rows.pop(0).fields if headed else COLUMNS
    if not rows:
        raise UserError(f"{path} holds no row: download it again")
    places = find_columns(path, header, SPELLINGS if headed else {c: (c,) for c in COLUMNS})
    times = times_like(values_at(places["time"], rows, len(header)), numbers=False)
    return Layout(
        kinds={"session": NAME, "time": times, "item": NAME, "category": OPTIONAL_NAME},
        places=places,
        width=len(header),
        delimiter=delimiter,
        header=headed,
    )


def _sessions_of(table: RawTable, rules: Rules) -> Clicks:
    sessions, time = table.names["session"], table.numbers["time"]
    return group_clicks(
        session=sessions.codes,
        item=table.names["item"].codes,
        time=time,
        n_sessions=len(sessions.names),
        order_by=rules.order_by(time),
        dates=np.floor(time),
    )


READER = Reader(
    name="yoochoose",
    summary="Yoochoose (RecSys Challenge 2015): yoochoose-clicks.dat, whole or its 1/4 or 1/64",
    add_arguments=add_arguments,
    read=read,
)
