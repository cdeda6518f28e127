"""Kinds of columns of a raw log: how a value is read, and what is wrong with a bad one.

Each kind reads whole columns with Arrow and knows the same rule for one text (``problem``),
which names the fault once a column has one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute

from recbole_a2d.data.tables import FloatArray

CODED = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
MICROSECONDS = 1_000_000
SAMPLE_ROWS = 100
"""Rows by which the layout of a file is found out: one bad row does not tell it."""
# What no atomic file can hold, see atomic_writing.
UNUSABLE = "[\t\r\n\\x00]"
WHAT_IS_UNUSABLE = {"\t": "a tab", "\r": "a line end", "\n": "a line end", "\0": "a NUL byte"}
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)
UTC = " UTC"


class BadColumn(Exception):
    """A value of the column is at fault; which one, ``problem`` finds."""


@dataclass(frozen=True)
class Kind:
    """How the values of a column are read.

    Attributes:
        arrow: type that Arrow parses them as.
        problem: what is wrong with one text, None where it is fine.
        numbers: parsed column to float64; None for names, which stay coded.
        empty: whether a row may have no value.
    """

    arrow: pyarrow.DataType
    problem: Callable[[str], str | None]
    numbers: Callable[[pyarrow.ChunkedArray], FloatArray] | None = None
    empty: bool = False


# ------------------------------------------------------------------------------------ names


def _name_problem(text: str) -> str | None:
    if not text:
        return "a value is missing"
    return _optional_problem(text)


def _optional_problem(text: str) -> str | None:
    found = re.search(UNUSABLE, text)
    return f"{text!r} holds {WHAT_IS_UNUSABLE[found[0]]}" if found else None


def check_names(column: pyarrow.ChunkedArray, empty: bool) -> None:
    """Refuse names that are empty (unless they may be) or that no atomic file can hold.

    Raises:
        BadColumn: there is one.
    """
    for chunk in column.chunks:
        names = chunk.dictionary
        bad = compute.match_substring_regex(names, UNUSABLE)
        if not empty:
            bad = compute.or_(bad, compute.equal(names, ""))
        if chunk.null_count or compute.any(bad, min_count=0).as_py():
            raise BadColumn


NAME = Kind(CODED, _name_problem)
OPTIONAL_NAME = Kind(CODED, _optional_problem, empty=True)


# ------------------------------------------------------------------------------------ numbers


def _number_problem(text: str) -> str | None:
    if not text:
        return "a value is missing"
    good = NUMBER.fullmatch(text) and math.isfinite(float(text))
    return None if good else f"{text!r} is not a number"


def _finite(column: pyarrow.ChunkedArray) -> FloatArray:
    values: FloatArray = column.to_numpy().astype(np.float64, copy=False)
    if column.null_count or not np.isfinite(values).all():
        raise BadColumn
    return values


NUMBERS = Kind(pyarrow.float64(), _number_problem, _finite)


# ------------------------------------------------------------------------------------ times


def _instant_problem(form: str, like: str) -> Callable[[str], str | None]:
    def problem(text: str) -> str | None:
        if not text:
            return "a value is missing"
        found = _form(text)
        if {form, found} == {"zone", "no zone"}:
            return f"{text!r}: some times of the file have a time zone and some have none"
        if found != form:
            return f"{text!r} is not a time like {like}"
        try:
            bare = text.removesuffix(UTC).replace(" ", "T")
            pyarrow.array([bare]).cast(_instant(form == "zone"))
        except pyarrow.ArrowInvalid:
            return f"{text!r} is not a date or time that exists"
        return None

    return problem


def has_zone(text: str) -> bool:
    """Whether an ISO time ends with ``Z`` or an offset."""
    return re.search(r"(Z|[+-]\d\d(:?\d\d)?)$", text[10:], re.ASCII) is not None


def _instant(zoned: bool) -> pyarrow.DataType:
    return pyarrow.timestamp("us", tz="UTC" if zoned else None)


def _seconds(column: pyarrow.ChunkedArray) -> FloatArray:
    if column.null_count:
        raise BadColumn
    # Whole microseconds below 2^53 are exact, so the quotient is the nearest float to the text.
    microseconds = column.cast(pyarrow.int64()).to_numpy()
    seconds: FloatArray = microseconds / MICROSECONDS
    return seconds


def iso_times(zoned: bool) -> Kind:
    """ISO dates and times to seconds since 1970; without a zone they are taken as UTC."""
    problem = _instant_problem("zone" if zoned else "no zone", "2014-04-07T10:51:09.277Z")
    return Kind(_instant(zoned), problem, _seconds)


def _named_utc_seconds(column: pyarrow.ChunkedArray) -> FloatArray:
    if not compute.all(compute.ends_with(column, UTC), min_count=0).as_py():
        raise BadColumn
    bare = compute.utf8_slice_codeunits(column, 0, -len(UTC))
    return _seconds(compute.replace_substring(bare, " ", "T").cast(_instant(False)))


NAMED_UTC = Kind(
    pyarrow.string(),
    _instant_problem("named UTC", f"2014-04-07 10:51:09{UTC}"),
    _named_utc_seconds,
)
"""Times like ``2014-04-07 10:51:09 UTC``, as databases write them, which Arrow cannot read."""


def times_like(samples: Iterable[str], numbers: bool = True) -> Kind:
    """The kind of time that most texts are; of equally many the first; ISO where none is any.

    Args:
        samples: some values of the column.
        numbers: whether numbers since 1970 are times as well.
    """
    forms = Counter(form for form in map(_form, samples) if form and (numbers or form != "number"))
    form = forms.most_common(1)[0][0] if forms else "no zone"
    others = {"number": NUMBERS, "named UTC": NAMED_UTC}
    return others.get(form) or iso_times(form == "zone")


def is_instant(text: str) -> bool:
    """Whether a text is a time in one of the forms that are read, and no number."""
    return _form(text) not in (None, "number")


def _form(text: str) -> str | None:
    if NUMBER.fullmatch(text):
        return "number"
    if INSTANT.fullmatch(text):
        return "zone" if has_zone(text) else "no zone"
    named = text.endswith(UTC) and _form(text.removesuffix(UTC)) == "no zone"
    return "named UTC" if named else None


# ------------------------------------------------------------------------------------ few values


def looked_up(convert: Callable[[str], float], what: str) -> Kind:
    """Columns of few distinct texts, each converted by a plain function.

    Args:
        convert: text to number; raises ValueError for a bad text.
        what: such as ``a date like 2016-05-09``.
    """

    def problem(text: str) -> str | None:
        try:
            convert(text)
        except ValueError:
            return f"{text!r} is not {what}" if text else "a value is missing"
        return None

    def numbers(column: pyarrow.ChunkedArray) -> FloatArray:
        parts = [_converted(chunk, convert) for chunk in column.chunks]
        return np.concatenate([*parts, np.empty(0)])

    return Kind(CODED, problem, numbers)


def _converted(chunk: Any, convert: Callable[[str], float]) -> FloatArray:
    try:
        values = np.array([convert(text) for text in chunk.dictionary.to_pylist()], np.float64)
    except ValueError:
        raise BadColumn from None
    converted: FloatArray = values[chunk.indices.to_numpy()]
    return converted
