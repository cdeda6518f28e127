"""Numeric times of an unknown log to seconds since 1970, and times that are hardly right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from recbole_a2d.data.raw_table import RawTable
from recbole_a2d.data.tables import FloatArray
from recbole_a2d.errors import UserError

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Above this many seconds (the year 5138) a time is taken for one of the next smaller unit.
MOST_SECONDS = 1e11
DAY = 86_400
YEAR = 365.25 * DAY
LONG_LOG = 10 * YEAR
# A date in one number, 20140407105109: after the day hours, minutes, seconds (60: a leap second)
# and thousandths; each with the number of its values.
CLOCK = (24, 60, 61, 1_000)
FIRST_DAY, LAST_DAY = 19_000_101, 21_001_231


def epoch_seconds(table: RawTable, path: Path, unit: str) -> RawTable:
    """Divide the column ``time`` by its unit.

    Args:
        table: with a number column ``time``.
        path: of the log, for messages.
        unit: a key of ``UNITS``, or ``auto`` to find it by the size of the numbers.

    Raises:
        UserError: the sizes belong to more than one unit, or the numbers look like dates.
    """
    time = table.numbers["time"]
    chosen = _guess(time, path) if unit == "auto" else unit
    return replace(table, numbers={**table.numbers, "time": time / UNITS[chosen]})


def span_warnings(seconds: FloatArray) -> tuple[str, ...]:
    """A warning where the clicks of a log lie further apart than a log is long."""
    first, last = float(seconds.min()), float(seconds.max())
    if last - first <= LONG_LOG:
        return ()
    return (
        f"the clicks span {(last - first) / YEAR:,.4g} years, {_day(first)} to {_day(last)}: if a "
        "time is wrong, correct it or leave out its row, see also --time-unit",
    )


def _day(seconds: float) -> str:
    if abs(seconds) > 10 * MOST_SECONDS:
        return f"{seconds:g} s"
    return str(np.datetime64(int(seconds // DAY), "D"))


def _guess(time: FloatArray, path: Path) -> str:
    least, most = float(np.abs(time).min()), float(np.abs(time).max())
    units = [_unit_of(least), _unit_of(most)]
    if units[0] != units[1]:
        raise UserError(
            f"{path}: the times {least:.17g} and {most:.17g} look like {units[0]} and {units[1]} "
            "since 1970 in one column: give --time-unit, or correct them"
        )
    if _look_like_dates(time):
        raise UserError(
            f"{path}: the times look like dates ({most:.0f}): write them like "
            f"2014-04-07T10:51:09, or give --time-unit {units[1]} if they are numbers since 1970"
        )
    return units[1]


def _unit_of(number: float) -> str:
    sizes = {unit: MOST_SECONDS * parts for unit, parts in UNITS.items()}
    return next((unit for unit, size in sizes.items() if number < size), "ns")


def _look_like_dates(time: FloatArray) -> bool:
    """Whether all times are dates in one number, be it to the day or to any part of a second."""
    first, last = float(time.min()), float(time.max())
    for parts in range(len(CLOCK) + 1):
        unit = prod(map(_digits, CLOCK[:parts]))
        # The ends alone rule out nearly every log, without a look at all of its times.
        if FIRST_DAY * unit <= first and last < (LAST_DAY + 1) * unit:
            return _are_dates(np.floor(time), CLOCK[:parts])
    return False


def _are_dates(numbers: FloatArray, clock: Sequence[int]) -> bool:
    for count in reversed(clock):
        if (numbers % _digits(count) >= count).any():
            return False
        numbers = numbers // _digits(count)
    day, month = numbers % 100, numbers // 100 % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _digits(count: int) -> int:
    """Ten to the digits that so many values take."""
    return 1_000 if count > 100 else 100
