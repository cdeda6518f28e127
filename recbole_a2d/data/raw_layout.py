"""Where the columns of a delimited raw log stand, found out from its first rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from recbole_a2d.data.raw_blocks import Row, read_blocks, rows_of
from recbole_a2d.data.raw_columns import SAMPLE_ROWS, Kind
from recbole_a2d.data.raw_files import open_raw
from recbole_a2d.errors import UserError

DELIMITERS = ";,\t|"
NOT_UTF8 = re.compile("[\ud800-\udfff]")  # how rows_of gives bytes that are not UTF-8
NOT_TEXT = re.compile("[\0-\x08\x0b-\x1f]")


@dataclass(frozen=True)
class Layout:
    """Where the wanted columns stand.

    Attributes:
        kinds: kind of each wanted column.
        places: place of each wanted column, from 0.
        width: number of values in a row.
        delimiter: between values.
        header: whether the first row names the columns.
        quotes: whether double quotes enclose values.
        line_ends: whether an enclosed value may hold line ends.
        keep: a name column that is not needed itself, and the names whose rows are wanted.
    """

    kinds: Mapping[str, Kind]
    places: Mapping[str, int]
    width: int
    delimiter: str
    header: bool = True
    quotes: bool = True
    line_ends: bool = False
    keep: tuple[str, frozenset[str]] | None = None


def read_first_rows(
    path: Path, delimiter: str | None = None, quotes: bool = True, line_ends: bool = False
) -> list[Row]:
    """First rows of a file, for finding out its layout: one, and up to ``SAMPLE_ROWS`` more.

    Args:
        path: plain, gzip or zip.
        delimiter: between values; by default the one of ``;``, ``,``, tab, ``|`` that the first
            line holds most of.
        quotes: whether double quotes enclose values.
        line_ends: whether an enclosed value may hold line ends.

    Raises:
        UserError: the file is missing, damaged or empty.
    """
    with open_raw(path) as read:
        block = next(read_blocks(read, path, quotes, size=1 << 16, line_ends=line_ends), None)
    if block is None or not block.text.strip(b"\r\n"):
        raise UserError(f"{path} is empty: download or export it again")
    rows = rows_of(block, delimiter or guess_delimiter(block.text), line_ends)
    return list(islice(rows, 1 + SAMPLE_ROWS))


def values_at(place: int, rows: Sequence[Row], width: int) -> list[str]:
    """Values of a column in those rows that have as many values as they should."""
    return [row.fields[place] for row in rows if row.closed and len(row.fields) == width]


def usual_width(rows: Sequence[Row]) -> int:
    """Number of values that most rows have; of equally many the first."""
    widths = Counter(len(row.fields) for row in rows if row.closed)
    return widths.most_common(1)[0][0] if widths else len(rows[0].fields)


def guess_delimiter(text: bytes) -> str:
    """The one of ``;``, ``,``, tab and ``|`` that the first line holds most of."""
    first = text.strip(b"\r\n").splitlines()[0]
    return max(DELIMITERS, key=lambda character: first.count(character.encode()))


def find_columns(
    path: Path,
    header: Sequence[str],
    spellings: Mapping[str, Sequence[str]],
    remedy: str = "give the file as it was downloaded, or name the column so",
) -> dict[str, int]:
    """Place of each column by its accepted spellings.

    Args:
        path: of the file, for messages.
        header: names of all columns.
        spellings: accepted names of each wanted column.
        remedy: what to do where one is missing.

    Raises:
        UserError: a column is missing or stands there twice.
    """
    places = {}
    for column, accepted in spellings.items():
        found = [place for place, name in enumerate(header) if name in accepted]
        if len(found) != 1:
            raise UserError(
                f"{path}, line 1: {'no' if not found else 'more than one'} column "
                f"{' or '.join(map(repr, accepted))}; the header is {shorten(list(header))}: "
                f"{'rename all but one' if found else _encoding_remedy(header) or remedy}"
            )
        places[column] = found[0]
    return places


def _encoding_remedy(header: Sequence[str]) -> str | None:
    """What to do about a header that is not UTF-8; one of several columns is text all the same."""
    text = "".join(header)
    if NOT_TEXT.search(text) or (NOT_UTF8.search(text) and len(header) == 1):
        return "this is no text: export the log as delimited text or parquet"
    return "it is not UTF-8: save the file as UTF-8" if NOT_UTF8.search(text) else None


def shorten(value: object, length: int = 200) -> str:
    """Text of a value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= length else text[:length] + "..."
