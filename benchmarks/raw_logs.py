"""Write made-up raw logs of the size of the real ones: ``python benchmarks/raw_logs.py --help``.

Ids, times and session lengths are spread like those of the real logs (rows, sessions, items,
share of rows per action); their order and their values are random.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import csv

ROWS_AT_ONCE = 2_000_000
MILLISECONDS_OF_DAY = 86_400_000


@dataclass(frozen=True)
class Size:
    """Rows, sessions or users, and items of a log."""

    rows: int
    groups: int
    items: int

    def scaled(self, share: float) -> Size:
        """A share of the rows and groups; items shrink less, as they do in real logs."""
        return Size(
            int(self.rows * share), int(self.groups * share), max(int(self.items * share**0.5), 20)
        )


SIZES = {
    "yoochoose": Size(33_003_944, 9_249_729, 52_739),
    "tmall": Size(54_925_330, 424_170, 1_090_390),
}
FILES = {"yoochoose": "yoochoose-clicks.dat", "tmall": "user_log_format1.csv"}


def yoochoose(size: Size, random: np.random.Generator) -> Iterator[pyarrow.Table]:
    """Session, time, item, category; sessions stand together, times span 183 days."""
    start = np.datetime64("2014-04-01T03:00:00.000")
    for first, groups in _parts(size):
        lengths = 1 + random.geometric(size.groups / size.rows, groups) - 1
        rows = int(lengths.sum())
        begins = random.integers(0, 183 * MILLISECONDS_OF_DAY, groups)
        pauses = random.integers(1, 180_000, rows)
        elapsed = np.cumsum(pauses)
        offsets = np.repeat(elapsed[np.cumsum(lengths) - lengths], lengths)
        times = start + (np.repeat(begins, lengths) + elapsed - offsets).astype("timedelta64[ms]")
        texts = np.char.add(np.datetime_as_string(times, unit="ms"), "Z")
        names = np.array(["0", "S", *map(str, range(1, 13)), "2089045230"])
        category = names[random.choice(len(names), rows, p=_falling(len(names)))]
        yield pyarrow.table(
            {
                "session": np.repeat(np.arange(first + 1, first + 1 + groups), lengths),
                "time": texts,
                "item": 214_500_000 + _popular(size.items, rows, random),
                "category": category,
            }
        )


def tmall(size: Size, random: np.random.Generator) -> Iterator[pyarrow.Table]:
    """User log of IJCAI-15: users stand together, days come in any order."""
    days = [f"{month:02d}{day:02d}" for month in range(5, 12) for day in range(1, 31)]
    texts = np.array([day for day in days if "0511" <= day <= "1112"])
    for first, groups in _parts(size):
        lengths = random.geometric(size.groups / size.rows, groups)
        rows = int(lengths.sum())
        item = _popular(size.items, rows, random)
        yield pyarrow.table(
            {
                "user_id": np.repeat(np.arange(first + 1, first + 1 + groups), lengths),
                "item_id": item + 1,
                "cat_id": item % 1658 + 1,
                "seller_id": item % 4995 + 1,
                "brand_id": item % 8444 + 1,
                "time_stamp": texts[(len(texts) * random.random(rows) ** 0.5).astype(np.int64)],
                "action_type": random.choice(4, rows, p=[0.88, 0.01, 0.06, 0.05]),
            }
        )


MAKERS: dict[str, Callable[[Size, np.random.Generator], Iterator[pyarrow.Table]]] = {
    "yoochoose": yoochoose,
    "tmall": tmall,
}


def write_log(kind: str, folder: Path, share: float = 1.0, seed: int = 0) -> Path:
    """Write the log of a kind at a share of its real size; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILES[kind]
    options = csv.WriteOptions(include_header=kind == "tmall", quoting_style="none")
    writer = None
    for table in MAKERS[kind](SIZES[kind].scaled(share), np.random.default_rng(seed)):
        writer = writer or csv.CSVWriter(str(path), table.schema, write_options=options)
        writer.write(table)
    if writer is not None:
        writer.close()
    return path


def _parts(size: Size) -> Iterator[tuple[int, int]]:
    """First group and number of groups, for about ``ROWS_AT_ONCE`` rows each."""
    step = max(int(ROWS_AT_ONCE * size.groups / size.rows), 1)
    for first in range(0, size.groups, step):
        yield first, min(step, size.groups - first)


def _popular(items: int, rows: int, random: np.random.Generator) -> np.ndarray:
    """Items of which few are clicked often."""
    return (items * random.random(rows) ** 3).astype(np.int64)


def _falling(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1)
    shares: np.ndarray = weights / weights.sum()
    return shares


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description="Write a made-up raw log of real size.")
    parser.add_argument("kind", choices=sorted(MAKERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the real rows (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(write_log(args.kind, args.folder, args.share, args.seed))


if __name__ == "__main__":
    main()
