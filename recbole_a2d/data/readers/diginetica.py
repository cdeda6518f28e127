"""Reader ``diginetica``: the item views of the CIKM Cup 2016, as downloaded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from recbole_a2d.data.lineage import (
    DAY,
    Rules,
    add_days_argument,
    add_rule_arguments,
    group_clicks,
    rules_from,
    split_log,
)
from recbole_a2d.data.raw_columns import NAME, NUMBERS, Kind, looked_up
from recbole_a2d.data.raw_files import find_file, find_optional, require_file
from recbole_a2d.data.raw_table import RawTable
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.headed import add_row_arguments, raw_log, read_headed
from recbole_a2d.data.tables import Clicks, ConvertedLog
from recbole_a2d.errors import UserError

VIEWS = "train-item-views.csv"
CATEGORIES = "product-categories.csv"
RULES = Rules(test_period=7 * DAY)
SPELLINGS = {
    "session": ("session_id", "sessionId", "SessionId"),
    "item": ("item_id", "itemId", "ItemId"),
    "timeframe": ("timeframe", "Timeframe"),
    "eventdate": ("eventdate", "eventDate", "Eventdate"),
}
CATEGORY_SPELLINGS = {
    "item": ("itemId", "item_id", "ItemId"),
    "category": ("categoryId", "category_id", "CategoryId"),
}


def _day_seconds(text: str) -> float:
    if len(text) != len("2016-05-09"):
        raise ValueError
    day = date.fromisoformat(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


DATES: Kind = looked_up(_day_seconds, "a date like 2016-05-09")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument(
        "--categories",
        type=Path,
        metavar="FILE",
        help=f"item to category (default: {CATEGORIES} beside the views, where it is there)",
    )
    add_days_argument(parser, RULES)
    add_rule_arguments(parser, RULES)
    add_row_arguments(parser)


def read(args: Namespace) -> ConvertedLog:
    """Read the item views and the categories of the items.

    Raises:
        UserError: files are missing or broken, or the rules leave nothing.
    """
    path = find_file(args.raw, [VIEWS], "item views of Diginetica")
    if args.categories is not None:
        require_file(args.categories, "--categories")
    rules = rules_from(args, args.test_days * DAY)
    kinds = {"session": NAME, "item": NAME, "timeframe": NUMBERS, "eventdate": DATES}
    table = read_headed(path, SPELLINGS, kinds, args)
    return raw_log(
        args,
        READER.name,
        table,
        split_log(sessions_of(table, rules), rules),
        table.names["session"].names,
        _categories(path, args),
        rules,
        "timestamp is the date of the session's last row plus the click's timeframe, seconds.",
    )


def sessions_of(table: RawTable, rules: Rules) -> Clicks:
    """Clicks by session; time is the timeframe, the date that of the last row in the file."""
    sessions, timeframe = table.names["session"], table.numbers["timeframe"]
    clicks = group_clicks(
        session=sessions.codes,
        item=table.names["item"].codes,
        time=timeframe,
        n_sessions=len(sessions.names),
        order_by=rules.order_by(timeframe),
        dates=table.numbers["eventdate"],
    )
    seconds = clicks.session_dates.repeat(clicks.sessions.lengths) + clicks.timestamps / 1000
    return replace(clicks, timestamps=seconds)


def _categories(views: Path, args: Namespace) -> dict[str, str]:
    """Category by raw item id; an item listed twice must have one category."""
    path = args.categories or find_optional(views.parent, [CATEGORIES])
    if path is None:
        return {}
    table = read_headed(path, CATEGORY_SPELLINGS, {"item": NAME, "category": NAME}, args)
    items, categories = table.names["item"], table.names["category"]
    category_of_item: dict[str, str] = {}
    for item, category in zip(
        items.texts[items.codes].tolist(), categories.texts[categories.codes].tolist(), strict=True
    ):
        if category_of_item.setdefault(item, category) != category:
            raise UserError(
                f"{path}: item {item!r} has the categories {category_of_item[item]!r} and "
                f"{category!r}; keep one"
            )
    return category_of_item


READER = Reader(
    name="diginetica",
    summary="Diginetica (CIKM Cup 2016): train-item-views.csv, product-categories.csv",
    add_arguments=add_arguments,
    read=read,
    paths=("categories",),
)
