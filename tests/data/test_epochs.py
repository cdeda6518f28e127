"""Numbers as times: which unit they are of, and dates written as one number."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.epochs import UNITS, epoch_seconds
from recbole_a2d.data.raw_table import RawTable
from recbole_a2d.errors import UserError

PATH = Path("log.csv")
FORMS = ["%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S%f"]


def seconds(times: list[float], unit: str = "auto") -> list[float]:
    table = RawTable({}, {"time": np.array(times, np.float64)}, 0)
    return epoch_seconds(table, PATH, unit).numbers["time"].tolist()


def in_one_number(date: datetime, form: str) -> float:
    text = date.strftime(form)
    return float(text[:17])  # thousandths of a second, not millionths


DATES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 31, 23, 59, 59))


@given(st.lists(DATES, min_size=1, max_size=20), st.sampled_from(FORMS))
def test_dates_in_one_number_are_refused(dates: list[datetime], form: str) -> None:
    times = [in_one_number(date, form) for date in dates]
    with pytest.raises(UserError, match=r"log.csv: the times look like dates \(\d+\): write them"):
        seconds(times)
    assert seconds(times, "ms") == [time / 1000 for time in times]


def test_the_message_names_the_unit_they_would_be_taken_for() -> None:
    with pytest.raises(UserError, match=r"\(20140408\): .* --time-unit s if they are numbers"):
        seconds([20140407, 20140408])
    with pytest.raises(UserError, match=r"\(20140407105109\): .* --time-unit ms if they are"):
        seconds([20140407105109])


# Seconds of 2030 to 2036 have the digits of a date and an hour, as have milliseconds of 1976.
USUAL = st.datetimes(datetime(1990, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))


@given(st.lists(USUAL, min_size=1, max_size=20), st.sampled_from(sorted(UNITS)))
def test_numbers_since_1970_are_none(dates: list[datetime], unit: str) -> None:
    times = [int(date.timestamp()) for date in dates]
    assert seconds([float(time) * UNITS[unit] for time in times]) == times


@pytest.mark.parametrize(
    "other", [20140407245109, 20140407106009, 20140407105162, 20141307105109, 20140400105109]
)
def test_a_number_that_is_no_date_makes_all_of_them_numbers(other: int) -> None:
    times = [20140407105109, other]
    assert seconds([float(time) for time in times]) == [time / 1000 for time in times]
