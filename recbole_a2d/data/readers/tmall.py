"""Reader ``tmall``: the user log of IJCAI-15, or the literature's ``dataset15.csv``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import array, compute, string

from recbole_a2d.data.categories import as_names, most_frequent, training_categories
from recbole_a2d.data.lineage import (
    DAY,
    Period,
    Rules,
    add_rule_arguments,
    group_clicks,
    rules_from,
    split_log,
)
from recbole_a2d.data.raw_columns import NAME, NUMBERS, OPTIONAL_NAME, looked_up
from recbole_a2d.data.raw_files import find_optional, require_file
from recbole_a2d.data.raw_layout import read_first_rows
from recbole_a2d.data.raw_table import Names, RawTable
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.headed import add_row_arguments, listed, raw_log, read_headed
from recbole_a2d.data.tables import Clicks, ConvertedLog
from recbole_a2d.errors import UserError

SESSIONS = "dataset15.csv"
USER_LOG = "user_log_format1.csv"
YEAR = 2014  # the log gives month and day alone
ACTIONS = {"click": "0", "cart": "1", "purchase": "2", "favourite": "3"}
LAST_SESSION = 120_000
TEST_UNITS = 100.0
MAX_CLICKS = 40
TEST_DAYS = 1.0
FORM_OPTIONS: dict[str, dict[str, Any]] = {
    SESSIONS: {"last_session": LAST_SESSION, "user_log": None, "test_units": TEST_UNITS},
    USER_LOG: {"actions": "click", "test_days": TEST_DAYS},
}
"""Options that one form alone has, with their defaults."""
SESSION_SPELLINGS = {"session": ("SessionId",), "item": ("ItemId",), "time": ("Time",)}
LOG_SPELLINGS = {
    "user": ("user_id",),
    "item": ("item_id",),
    "category": ("cat_id",),
    "day": ("time_stamp",),
    "action": ("action_type",),
}


def _day_seconds(text: str) -> float:
    if not (text.isascii() and text.isdecimal() and 3 <= len(text) <= 4):
        raise ValueError
    day = datetime(YEAR, int(text[:-2]), int(text[-2:]), tzinfo=UTC)
    return day.timestamp()


def _session_number(text: str) -> float:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError
    return float(text)


DAYS = looked_up(_day_seconds, "a day like 1111, month and day")
RULES = Rules(max_session_clicks=MAX_CLICKS, test_period=TEST_UNITS, order="file")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument(
        "--last-session",
        type=int,
        help=f"{SESSIONS}: keep SessionId up to this one, 0 for all (default: {LAST_SESSION})",
    )
    parser.add_argument(
        "--user-log",
        type=Path,
        metavar="FILE",
        help=f"{SESSIONS}: where categories come from (default: {USER_LOG} beside it, if there)",
    )
    parser.add_argument(
        "--actions",
        help=f"{USER_LOG}: actions that count as clicks, of {', '.join(ACTIONS)} (default: click)",
    )
    parser.add_argument(
        "--test-units",
        type=float,
        help=f"{SESSIONS}: units of Time before the last one to test on (default: {TEST_UNITS:g})",
    )
    parser.add_argument(
        "--test-days",
        type=float,
        help=f"{USER_LOG}: days before the last one to test on "
        f"(default: {TEST_DAYS:g}, the last day)",
    )
    # At a cut by days a whole day lies: November 11, the day the log was taken for.
    add_rule_arguments(parser, RULES, at_cut=f"drop, for {USER_LOG} train")
    add_row_arguments(parser)


def read(args: Namespace) -> ConvertedLog:
    """Read either form.

    Raises:
        UserError: the file is missing, broken or of neither form, an option is of the other form,
            or the rules leave nothing.
    """
    path = find_optional(args.raw, [SESSIONS]) or find_optional(args.raw, [USER_LOG])
    if path is None:
        raise UserError(
            f"{args.raw} holds neither {SESSIONS} nor {USER_LOG}, plain, .gz or .zip: give the "
            "file or its folder to --raw"
        )
    header = read_first_rows(path)[0].fields
    form = SESSIONS if "SessionId" in header else USER_LOG
    _settle_options(args, path, form)
    if args.user_log is not None:
        require_file(args.user_log, "--user-log")
    return _read_sessions(path, args) if form == SESSIONS else _read_user_log(path, args)


def _settle_options(args: Namespace, path: Path, form: str) -> None:
    """Put in the defaults of options that were not given; refuse given ones of the other form."""
    for owner, options in FORM_OPTIONS.items():
        for key, default in options.items():
            if getattr(args, key) is None:
                setattr(args, key, default)
            elif owner != form:
                option = "--" + key.replace("_", "-")
                raise UserError(f"{option} is for {owner}, and {path} is like {form}; leave it out")


# ------------------------------------------------------------------------------ dataset15.csv


def _read_sessions(path: Path, args: Namespace) -> ConvertedLog:
    args.at_cut = args.at_cut or "drop"
    rules = rules_from(args, args.test_units, period=Period("--test-units", 1, "units of Time"))
    kinds = {"session": NAME, "item": NAME, "time": NUMBERS}
    table = _first_sessions(path, read_headed(path, SESSION_SPELLINGS, kinds, args), args)
    names, time = table.names["session"], table.numbers["time"]
    clicks = group_clicks(
        session=names.codes,
        item=table.names["item"].codes,
        time=time,
        n_sessions=len(names.names),
        order_by=rules.order_by(time),
        dates=time,
    )
    log_path = args.user_log or find_optional(path.parent, [USER_LOG])
    return raw_log(
        args,
        READER.name,
        table,
        split_log(clicks, rules),
        names.names,
        _log_categories(log_path, args) if log_path else {},
        rules,
        f"{SESSIONS}, SessionId up to {args.last_session or 'the last'}; test: the last "
        f"{rules.test_period:g} units of Time, which is not a week.",
    )


def _first_sessions(path: Path, table: RawTable, args: Namespace) -> RawTable:
    if not args.last_session:
        return table
    sessions = table.names["session"]
    try:
        numbers = np.array([_session_number(text) for text in sessions.texts.tolist()])
    except ValueError:
        raise UserError(
            f"{path}: a SessionId is not a whole number; use --last-session 0 to keep all"
        ) from None
    rows = (numbers <= args.last_session)[sessions.codes]
    if not rows.any():
        raise UserError(f"{path} holds no SessionId up to {args.last_session}: see --last-session")
    return RawTable(
        {column: names.where(rows) for column, names in table.names.items()},
        {column: values[rows] for column, values in table.numbers.items()},
        table.skipped,
    )


def _log_categories(path: Path, args: Namespace) -> dict[str, str]:
    """Category of every item of the user log, which names items like ``dataset15.csv``."""
    spellings = {column: LOG_SPELLINGS[column] for column in ("item", "category")}
    table = read_headed(path, spellings, {"item": NAME, "category": OPTIONAL_NAME}, args)
    items, categories = table.names["item"], table.names["category"]
    return as_names(*most_frequent(items.codes, categories), items.texts, categories.texts)


# ------------------------------------------------------------------------- user_log_format1.csv


def _read_user_log(path: Path, args: Namespace) -> ConvertedLog:
    args.at_cut = args.at_cut or "train"
    rules = rules_from(args, args.test_days * DAY)
    kinds = {"user": NAME, "item": NAME, "category": OPTIONAL_NAME, "day": DAYS, "action": NAME}
    actions = listed("--actions", args.actions, ACTIONS)
    keep = ("action", frozenset(ACTIONS[word] for word in actions))
    table = _with_sessions(read_headed(path, LOG_SPELLINGS, kinds, args, keep=keep))
    training, test = split_log(_take_clicks(table), rules)
    return raw_log(
        args,
        READER.name,
        table,
        (training, test),
        table.names["session"].names,
        training_categories(table, training),
        rules,
        f"{USER_LOG}: a session is one day of one user, in the order of the file; times are "
        f"days of {YEAR}, the log gives none within a day. Actions: {','.join(actions)}.",
    )


def _take_clicks(table: RawTable) -> Clicks:
    """Clicks by session; takes the days out of the table, half a GiB that nobody needs again."""
    sessions, days = table.names["session"], table.numbers.pop("day")
    return group_clicks(
        session=sessions.codes,
        item=table.names["item"].codes,
        time=days,
        n_sessions=len(sessions.names),
        dates=days,
    )


def _with_sessions(table: RawTable) -> RawTable:
    """Name each pair of user and day ``user-mmdd``, in order of first appearance."""
    users = table.names["user"]
    day_codes, days = pd.factorize(table.numbers["day"])
    pairs = users.codes.astype(np.int64) * len(days) + day_codes
    codes, distinct = pd.factorize(pairs)
    texts = [datetime.fromtimestamp(day, UTC).strftime("%m%d") for day in days.tolist()]
    names = compute.binary_join_element_wise(
        users.names.take(array(distinct // len(days))),
        array(texts, string()).take(array(distinct % len(days))),
        "-",
    )
    columns = {column: table.names[column] for column in ("item", "category")}
    columns["session"] = Names(codes.astype(np.int32), names)
    return RawTable(columns, table.numbers, table.skipped)


READER = Reader(
    name="tmall",
    summary="Tmall (IJCAI-15): dataset15.csv as in the literature, or user_log_format1.csv",
    add_arguments=add_arguments,
    read=read,
    paths=("user_log",),
)
