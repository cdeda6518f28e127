"""Reader ``retailrocket``: events, item properties and category tree, as downloaded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from recbole_a2d.data.categories import as_names
from recbole_a2d.data.lineage import (
    DAY,
    Rules,
    add_days_argument,
    add_rule_arguments,
    group_clicks,
    rules_from,
    split_log,
)
from recbole_a2d.data.pauses import cut_at_pauses, parse_gap
from recbole_a2d.data.raw_columns import NAME, NUMBERS, OPTIONAL_NAME
from recbole_a2d.data.raw_files import find_file, find_optional
from recbole_a2d.data.raw_table import RawTable
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.headed import add_row_arguments, listed, raw_log, read_headed
from recbole_a2d.data.tables import Clicks, ConvertedLog
from recbole_a2d.errors import UserError

EVENTS = "events.csv"
PROPERTIES = ("item_properties_part1.csv", "item_properties_part2.csv")
TREE = "category_tree.csv"
CATEGORY_PROPERTY = "categoryid"
EVENT_SPELLINGS = {
    "user": ("visitorid",),
    "item": ("itemid",),
    "time": ("timestamp",),
    "event": ("event",),
}
PROPERTY_SPELLINGS = {
    "item": ("itemid",),
    "time": ("timestamp",),
    "property": ("property",),
    "value": ("value",),
}
CLICKS = ("view", "addtocart", "transaction")
TREE_SPELLINGS = {"category": ("categoryid",), "parent": ("parentid",)}
LEVELS = ("leaf", "parent", "root")
RULES = Rules(test_period=7 * DAY)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument(
        "--gap", default="30m", help="a longer pause of a visitor starts a session (default: 30m)"
    )
    parser.add_argument(
        "--events",
        default="view",
        help=f"events that count as clicks, of {','.join(CLICKS)} (default: view)",
    )
    parser.add_argument(
        "--category-level",
        choices=LEVELS,
        default="leaf",
        help="category as in the properties, or what the tree has above it (default: leaf)",
    )
    add_days_argument(parser, RULES)
    add_rule_arguments(parser, RULES)
    add_row_arguments(parser)


def read(args: Namespace) -> ConvertedLog:
    """Read the events, cut them into sessions, and look up the items' categories.

    Raises:
        UserError: files are missing or broken, or the rules leave nothing.
    """
    rules, gap = rules_from(args, args.test_days * DAY), parse_gap(args.gap)
    path = find_file(args.raw, [EVENTS], "events of RetailRocket")
    kinds = {"user": NAME, "item": NAME, "time": NUMBERS, "event": NAME}
    events = listed("--events", args.events, CLICKS)
    table = read_headed(path, EVENT_SPELLINGS, kinds, args, keep=("event", frozenset(events)))
    seconds = table.numbers["time"] / 1000
    sessions, names = cut_at_pauses(table.names["user"], seconds, gap)
    training, test = split_log(
        group_clicks(
            session=sessions,
            item=table.names["item"].codes,
            time=seconds,
            n_sessions=len(names),
            order_by=rules.order_by(seconds),
        ),
        rules,
    )
    return raw_log(
        args,
        READER.name,
        table,
        (training, test),
        names,
        _categories(path.parent, training, args),
        rules,
        f"Events of one visitor without a pause over {args.gap} make a session. "
        f"Events: {','.join(events)}.",
        f"Category: {args.category_level}, the last one known when training ends.",
    )


def _categories(folder: Path, training: Clicks, args: Namespace) -> dict[str, str]:
    """Category of each item by the properties of the time of training."""
    last_time = float(training.timestamps.max(initial=-np.inf)) * 1000
    category_of_item: dict[str, str] = {}
    time_of_item: dict[str, float] = {}
    for name in PROPERTIES:
        path = find_optional(folder, [name])
        if path is not None:
            table = _read_properties(path, args)
            for item, time, category in _latest(table, last_time):
                if time >= time_of_item.get(item, -np.inf):
                    time_of_item[item], category_of_item[item] = time, category
    return _lifted(category_of_item, folder, args)


def _read_properties(path: Path, args: Namespace) -> RawTable:
    kinds = {"item": NAME, "time": NUMBERS, "property": NAME, "value": NAME}
    keep = ("property", frozenset({CATEGORY_PROPERTY}))
    return read_headed(path, PROPERTY_SPELLINGS, kinds, args, keep=keep)


def _latest(table: RawTable, last_time: float) -> list[tuple[str, float, str]]:
    """Item, time and value of each item's last row up to a time; of a tie, the later row."""
    known = table.numbers["time"] <= last_time
    items, values = table.names["item"].where(known), table.names["value"].where(known)
    time = table.numbers["time"][known]
    order = np.lexsort((time, items.codes))
    last = order[np.flatnonzero(np.diff(items.codes[order], append=-1))]
    found = as_names(items.codes[last], values.codes[last], items.texts, values.texts)
    return [(i, t, v) for (i, v), t in zip(found.items(), time[last].tolist(), strict=True)]


def _lifted(category_of_item: dict[str, str], folder: Path, args: Namespace) -> dict[str, str]:
    if args.category_level == "leaf":
        return category_of_item
    path = find_file(folder, [TREE], "category tree of RetailRocket")
    table = read_headed(path, TREE_SPELLINGS, {"category": NAME, "parent": OPTIONAL_NAME}, args)
    children, parents = table.names["category"], table.names["parent"]
    parent_of = as_names(children.codes, parents.codes, children.texts, parents.texts)
    steps = 1 if args.category_level == "parent" else len(parent_of) + 1
    return {i: _above(category, parent_of, steps) for i, category in category_of_item.items()}


def _above(category: str, parent_of: dict[str, str], steps: int) -> str:
    for _ in range(steps):
        parent = parent_of.get(category, "")
        if not parent:
            return category
        category = parent
    if steps > 1:
        raise UserError(f"{TREE}: category {category!r} lies above itself; mend the tree")
    return category


READER = Reader(
    name="retailrocket",
    summary="RetailRocket: events.csv, item_properties_part1/2.csv, category_tree.csv",
    add_arguments=add_arguments,
    read=read,
)
