"""Parquet files of many makes, whole and mutated, against a plain reading of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet, types

from benchmarks import plain_converter as plain
from recbole_a2d.convert import main
from recbole_a2d.errors import UserError

ROWS = 120
START = 1_400_000_000
WORDS = ["csv", "--session", "sid", "--time", "when", "--item", "item.id", "--category", "cat"]
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass
class Case:
    """A table, what is known to be wrong with it, and the words of the command."""

    columns: list[tuple[str, pa.Array]]
    words: list[str] = field(default_factory=lambda: list(WORDS))
    clean: bool = True


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


# ------------------------------------------------------------------------------ makes of columns

Values = list[Any]
NAMES: dict[str, Callable[[Values], pa.Array]] = {
    "text": lambda v: pa.array(v, pa.string()),
    "long text": lambda v: pa.array(v, pa.large_string()),
    "coded text": lambda v: pa.array(v, pa.string()).dictionary_encode(),
    "whole": lambda v: pa.array(whole(v), pa.int64()),
    "small": lambda v: pa.array(whole(v), pa.int16()),
    "unsigned": lambda v: pa.array(whole(v), pa.uint64()),
    "coded whole": lambda v: pa.array(whole(v), pa.int32()).dictionary_encode(),
}
NO_NAMES: dict[str, Callable[[Values], pa.Array]] = {
    "double": lambda v: pa.array([n + 0.5 for n in range(len(v))], pa.float64()),
    "list": lambda v: pa.array([[str(value)] for value in v], pa.list_(pa.string())),
    "struct": lambda v: pa.array([{"id": text} for text in v], pa.struct([("id", pa.string())])),
    "map": lambda v: pa.array([[("id", 1)] for _ in v], pa.map_(pa.string(), pa.int64())),
    "bytes": lambda v: pa.array([b"x" for _ in v], pa.binary()),
    "bool": lambda v: pa.array([n % 2 == 0 for n in range(len(v))], pa.bool_()),
    "nothing": lambda v: pa.nulls(len(v)),
    "decimal": lambda v: pa.array(whole(v), pa.int64()).cast(pa.decimal128(20, 0)),
    "coded double": lambda v: NO_NAMES["double"](v).dictionary_encode(),
}
TIMES: dict[str, Callable[[Values], pa.Array]] = {
    "text": lambda v: pa.array([n if n is None else iso(n) for n in v], pa.string()),
    "zoned text": lambda v: pa.array([n if n is None else iso(n) + "Z" for n in v], pa.string()),
    "coded text": lambda v: TIMES["text"](v).dictionary_encode(),
    "whole": lambda v: pa.array(v, pa.int64()),
    "double": lambda v: pa.array(v, pa.float64()),
    "day": lambda v: pa.array(v, pa.timestamp("s")).cast(pa.date32(), safe=False),
    **{
        f"{unit} {zone}": lambda v, u=unit, z=zone: pa.array(v, pa.timestamp("s", z)).cast(
            pa.timestamp(u, z)
        )
        for unit in UNITS
        for zone in (None, "UTC", "Europe/Berlin")
    },
}
UNUSABLE = "\t\r\n\0" + "".join(map(chr, range(0xDC80, 0xDD00)))  # the last: bytes, no text
ODD_NAMES = ["", "a\tb", "a\nb", "\r", "a\0b"]
ODD_NUMBERS = [float("nan"), float("inf"), -1e300]
ODD_TIMES = ["", "noon", "2014-02-30", "7", "2014-04-07T10:00+25", "2014-04-07T10:51:09Z"]


def whole(texts: Values) -> list[int | None]:
    return [int(text) if text and text.isdecimal() else None for text in texts]


def some_case(random: Random) -> Case:
    size = 3000 if random.random() < 0.005 else random.choice([ROWS, ROWS, 40, 1, 0])
    sessions: Values = [str(n // 4) for n in range(size)]
    items: Values = [str(n % 6) for n in range(size)]
    times: Values = [START + n // 16 * 86_400 + n for n in range(size)]
    categories: Values = [random.choice(["1", "2", "3", None, ""]) for _ in range(size)]
    case = Case([], clean=size >= 40)
    for values in (sessions, items, times):
        if size and random.random() < 0.06:
            values[random.randrange(size)] = None
            case.clean = False
    columns = [
        ("sid", name_column(case, sessions, random)),
        ("item.id", name_column(case, items, random)),
        ("when", time_column(case, times, random)),
        ("cat", NAMES[random.choice(["text", "coded text", "long text"])](categories)),
    ]
    case.columns = [*columns, *extra_columns(case, size, random)]
    if random.random() < 0.04:
        case.clean = False
        del case.columns[random.randrange(4)]
    random.shuffle(case.columns)
    return case


def name_column(case: Case, values: Values, random: Random) -> pa.Array:
    if random.random() < 0.06:
        case.clean = False
        return random.choice(list(NO_NAMES.values()))(values)
    if values and random.random() < 0.06:
        case.clean = False
        values = [*values]
        values[random.randrange(len(values))] = random.choice(ODD_NAMES)
    if values and random.random() < 0.04:
        case.clean = False
        broken = [(value or "").encode() for value in values]
        broken[random.randrange(len(broken))] = random.choice([b"\xff", b"a\xc3", b"\xed\xa0\x80"])
        return pa.array(broken, pa.binary()).view(pa.string())
    return random.choice(list(NAMES.values()))(values)


def time_column(case: Case, values: Values, random: Random) -> pa.Array:
    if random.random() < 0.04:
        case.clean = False
        return random.choice([NO_NAMES["list"], NO_NAMES["bool"], NO_NAMES["bytes"]])(values)
    make = random.choice(list(TIMES))
    odd = values and random.random() < 0.1
    if odd and "text" in make:
        case.clean = False
        texts = TIMES[make](values).cast(pa.string()).to_pylist()
        texts[random.randrange(len(texts))] = random.choice(ODD_TIMES)
        return pa.array(texts, pa.string())
    if odd and make == "double":
        case.clean = False
        values = [*values]
        values[random.randrange(len(values))] = random.choice(ODD_NUMBERS)
    if odd and make.startswith("s "):
        values = [*values]
        values[random.randrange(len(values))] = 10**14  # has no microseconds in 64 bits
    if make == "whole" and random.random() < 0.5:
        unit = random.choice(list(UNITS))
        case.words += ["--time-unit", unit]
        values = [n if n is None else n * UNITS[unit] for n in values]
    return TIMES[make](values)


def extra_columns(case: Case, size: int, random: Random) -> list[tuple[str, pa.Array]]:
    """Columns that nobody reads, one of them nested under a name that looks like a wanted one."""
    item = pa.struct([("id", pa.string()), ("tags", pa.list_(pa.int64()))])
    makes = {
        "item": lambda: pa.array([{"id": "x", "tags": [n]} for n in range(size)], item),
        "tags": lambda: pa.array([[n] * (n % 3) for n in range(size)], pa.list_(pa.int64())),
        "note": lambda: pa.array(["é" * (n % 50) for n in range(size)], pa.string()),
        "cat": lambda: pa.array(range(size), pa.int64()),
    }
    chosen = [name for name in makes if random.random() < (0.03 if name == "cat" else 0.3)]
    case.clean &= "cat" not in chosen  # stands there twice
    return [(name, makes[name]()) for name in chosen]


def write_case(path: Path, case: Case, random: Random) -> None:
    names, arrays = zip(*case.columns, strict=True)
    parquet.write_table(
        pa.Table.from_arrays(list(arrays), names=list(names)),
        path,
        row_group_size=random.choice([1, 3, 50, 1000]),
        compression=random.choice(["none", "snappy", "gzip", "zstd"]),
        use_dictionary=random.random() < 0.5,
        data_page_size=random.choice([100, 10_000]),
        write_page_checksum=random.random() < 0.5,
        store_schema=random.random() < 0.7,
        coerce_timestamps=None,
        version=random.choice(["1.0", "2.6"]),
    )


# ------------------------------------------------------------------------------ plain reading


def plain_times(column: pa.ChunkedArray, unit: int) -> list[float | None]:
    """Seconds of every row, one by one."""
    kind = column.type
    if types.is_timestamp(kind):
        parts, whole_only = UNITS[kind.unit], kind.unit == "ns"
        numbers = column.cast(pa.int64()).to_pylist()
        if whole_only:  # cut to microseconds
            parts, numbers = 1_000_000, [n if n is None else n // 1000 for n in numbers]
        return [n if n is None else n / parts for n in numbers]
    if types.is_date(kind):
        return [n if n is None else n * plain.DAY for n in column.cast(pa.int32()).to_pylist()]
    if types.is_integer(kind) or types.is_floating(kind):
        return [v if v is None else v / unit for v in column.to_pylist()]
    return [time_of(text) for text in plain_texts(column)]


def plain_texts(column: pa.ChunkedArray) -> list[str]:
    """Names of every row, an unusable one where the bytes are no text."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_integer(kind):
        return ["" if v is None else str(v) for v in column.to_pylist()]
    raw = column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
    return ["" if v is None else v.decode(errors="surrogateescape") for v in raw]


def time_of(text: str) -> float | None:
    try:
        return plain.seconds(text)
    except ValueError:
        return None


def plain_log(path: Path, words: list[str]) -> tuple[plain.Log, int]:
    """Clicks of the file as a plain loop takes them, and the number of rows it cannot take."""
    unit = UNITS[words[words.index("--time-unit") + 1]] if "--time-unit" in words else 1
    table = parquet.read_table(path, columns=["sid", "item.id", "when", "cat"])
    names = [plain_texts(table[name]) for name in ("sid", "item.id", "cat")]
    log, bad = plain.Log(), 0
    times = plain_times(table["when"], unit)
    for *texts, time in zip(*names, times, strict=True):
        finite = time is not None and abs(time) < float("inf")
        if not finite or "" in texts[:2] or any(c in text for text in texts for c in UNUSABLE):
            bad += 1
            continue
        plain.add_timed(log, texts[0], texts[1], time)
        log.named.append((texts[0], texts[1], texts[2]))
    return log, bad


def check(path: Path, words: list[str], out: Path, skip: bool) -> None:
    """Compare what was written with the plain reading."""
    log, bad = plain_log(path, words)
    assert skip or not bad
    training, test = plain.split(log, period=plain.DAY, fraction=0.1)
    folder = out.parent / "plain" / out.name
    plain.write(folder, training, test, plain.frequent_categories(log, training))
    for file in folder.iterdir():
        assert (out / file.name).read_bytes() == file.read_bytes(), file.name


# ------------------------------------------------------------------------------ tests


def mutated(content: bytes, random: Random, mutate: Callable[[bytes, Random], bytes]) -> bytes:
    """Changes anywhere, or in the description at the end of the file alone."""
    if random.random() < 0.5:
        return mutate(content, random)
    start = len(content) - random.randint(8, min(len(content), 600))
    return content[:start] + mutate(content[start:], random)


def test_parquet(tmp_path: Path, fuzz: Any) -> None:
    path, out = tmp_path / "log.parquet", tmp_path / "out" / "toy"
    right = refused = 0
    for number, random in fuzz.cases():
        case = some_case(random)
        write_case(path, case, random)
        intact = random.random() < 0.4
        if not intact:
            path.write_bytes(mutated(path.read_bytes(), random, fuzz.mutate))
        skip = random.random() < 0.3
        words = [*case.words, *(["--skip-bad-rows"] if skip else [])]
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        found = fuzz.outcome(lambda w=words: main([*w, "--raw", str(path), "--out", str(out)]))
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists(), number
            assert not (intact and case.clean), (number, str(found))
        else:
            right += 1
            check(path, case.words, out, skip)
    fuzz.report("parquet", right, refused)


def test_very_many_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    case = some_case(Random(1))
    size = 5_000
    case.columns = [
        ("sid", pa.array([n // 4 for n in range(size)])),
        ("item.id", pa.array([n % 50 for n in range(size)])),
        ("when", pa.array([START + n for n in range(size)])),
        ("cat", pa.array(["1"] * size)),
    ]
    names, arrays = zip(*case.columns, strict=True)
    parquet.write_table(
        pa.Table.from_arrays(list(arrays), names=list(names)), path, row_group_size=1
    )
    out = tmp_path / "out" / "toy"
    main([*WORDS, "--raw", str(path), "--out", str(out)])
    check(path, WORDS, out, skip=False)


@pytest.mark.parametrize("kind", NO_NAMES)
def test_columns_that_hold_no_names(tmp_path: Path, kind: str) -> None:
    case = Case([])
    texts = [str(n) for n in range(40)]
    columns = [("sid", texts), ("item.id", texts), ("cat", texts)]
    arrays = [NAMES["text"](values) for _, values in columns]
    arrays[1] = NO_NAMES[kind](texts)
    case.columns = [
        *zip([n for n, _ in columns], arrays, strict=True),
        ("when", pa.array(range(40))),
    ]
    write_case(tmp_path / "log.parquet", case, Random(0))
    words = [*WORDS, "--raw", str(tmp_path / "log.parquet"), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match=r"column 'item.id' holds .*, which is no item"):
        main(words)
