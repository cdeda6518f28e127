"""Mutated raw logs against the plain converter."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plain_converter as plain
from recbole_a2d.convert import main
from recbole_a2d.errors import UserError


def without_categories(read: Callable[[Path], plain.Log], **rules: Any) -> Callable[[Path], Any]:
    """What a plain reader makes of a log by some rules, no item with a category."""
    return lambda raw: (*plain.split(read(raw), **rules), {})


def diginetica(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "train-item-views.csv"
    rows = [f"{n // 4};NA;{n % 6};{n * 7 % 50};2016-05-{1 + n // 12:02d}" for n in range(160)]
    path.write_text("session_id;user_id;item_id;timeframe;eventdate\n" + "\n".join(rows) + "\n")
    expected = without_categories(plain.read_diginetica, period=7 * plain.DAY)
    return path, ["diginetica", "--raw", str(path)], expected


def yoochoose(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "yoochoose-clicks.dat"
    rows = [
        f"{n // 4},2014-04-{1 + n // 16:02d}T10:51:{n % 60:02d}.277Z,{n % 6},{n % 3}\n"
        for n in range(160)
    ]
    path.write_text("".join(rows))

    def expected(raw: Path) -> Any:
        log = plain.read_yoochoose(raw)
        training, test = plain.split(log, period=plain.DAY)
        return training, test, plain.frequent_categories(log, training, ("", "0", "S"))

    return path, ["yoochoose", "--fraction", "1", "--raw", str(path)], expected


def tmall_sessions(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "dataset15.csv"
    rows = [f"u\t{n % 6}\t{n // 4}\t{n * 2}.0" for n in range(160)]
    path.write_text("UserId\tItemId\tSessionId\tTime\n" + "\n".join(rows))
    expected = without_categories(plain.read_tmall_sessions, period=100, longest=40)
    return path, ["tmall", "--raw", str(path)], expected


def tmall_log(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "user_log_format1.csv"
    header = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
    rows = [f"{n // 20},{n % 6},{n % 3},1,,{1101 + n // 4 % 12},0\n" for n in range(160)]
    path.write_text(header + "".join(rows))

    def expected(raw: Path) -> Any:
        log = plain.read_tmall_log(raw)
        training, test = plain.split(log, period=plain.DAY, at_cut="train", longest=40)
        return training, test, plain.frequent_categories(log, training)

    return path, ["tmall", "--raw", str(path)], expected


def retailrocket(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "events.csv"
    rows = [f"{n // 4 * 40_000_000 + n},{n // 20},view,{n % 6},\n" for n in range(160)]
    path.write_text("timestamp,visitorid,event,itemid,transactionid\n" + "".join(rows))

    return path, ["retailrocket", "--raw", str(path)], lambda raw: (*split_events(raw), {})


def split_events(path: Path) -> tuple[list[plain.Session], list[plain.Session]]:
    clicks = [
        (row["visitorid"], row["itemid"], float(row["timestamp"]) / 1000, "")
        for row in plain.rows(path)
        if row["event"] == "view"
    ]
    return plain.split(plain.cut_users(clicks, 1800), period=7 * plain.DAY)


def item_categories(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    """Diginetica's second file."""
    views, _, expected_views = diginetica(folder)
    path = folder / "product-categories.csv"
    path.write_text("itemId;categoryId\n" + "".join(f"{n};{n % 3}\n" for n in range(40)))

    def expected(raw: Path) -> Any:
        rows = list(plain.rows(raw, delimiter=";"))
        return *expected_views(views)[:2], {row["itemId"]: row["categoryId"] for row in rows}

    return path, ["diginetica", "--raw", str(folder)], expected


def item_properties(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    """RetailRocket's second file."""
    events, _, _ = retailrocket(folder)
    path = folder / "item_properties_part1.csv"
    kinds = ["categoryid", "790", "categoryid"]
    rows = [f"{n * 40_000_000},{n % 6},{kinds[n % 3]},{n % 4}\n" for n in range(60)]
    path.write_text("timestamp,itemid,property,value\n" + "".join(rows))

    def expected(raw: Path) -> Any:
        training, test = split_events(events)
        last = max(time for _, clicks in training for _, time in clicks)
        rows = sorted(plain.rows(raw), key=lambda row: float(row["timestamp"]))
        known = [r for r in rows if float(r["timestamp"]) / 1000 <= last]
        categories = {r["itemid"]: r["value"] for r in known if r["property"] == "categoryid"}
        return training, test, categories

    return path, ["retailrocket", "--raw", str(folder)], expected


def category_tree(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    """RetailRocket's third file."""
    properties, words, expected_leaves = item_properties(folder)
    path = folder / "category_tree.csv"
    path.write_text(
        "categoryid,parentid\n" + "".join(f"{n},{n // 2 or ''}\n" for n in range(1, 30))
    )

    def expected(raw: Path) -> Any:
        training, test, categories = expected_leaves(properties)
        parents = {row["categoryid"]: row["parentid"] for row in plain.rows(raw)}
        return training, test, {i: parents.get(c, "") or c for i, c in categories.items()}

    return path, [*words, "--category-level", "parent"], expected


def own_log(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "log.csv"
    rows = [
        f'"{n // 4}",2016-05-{1 + n // 12:02d}T10:00:{n % 60:02d},{n % 6}\n' for n in range(160)
    ]
    path.write_text("sid,when,item\n" + "".join(rows))

    def expected(raw: Path) -> Any:
        log = plain.Log()
        for row in plain.rows(raw):
            time, session = plain.seconds(row["when"]), row["sid"]
            plain.add_timed(log, session, row["item"], time)
        return *plain.split(log, period=plain.DAY, fraction=0.1), {}

    columns = ["--session", "sid", "--time", "when", "--item", "item"]
    return path, ["csv", *columns, "--raw", str(path)], expected


KINDS = {
    make.__name__: make
    for make in (
        diginetica,
        yoochoose,
        tmall_sessions,
        tmall_log,
        retailrocket,
        own_log,
        item_categories,
        item_properties,
        category_tree,
    )
}


# ------------------------------------------------------------------------------ bad rows

Check = Callable[[str], bool]


def is_optional(text: str) -> bool:
    return not re.search("[\t\r\n\0\ud800-\udfff]", text)


def is_name(text: str) -> bool:
    return text != "" and is_optional(text)


def is_number(text: str) -> bool:
    digits = re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", text, re.ASCII | re.I)
    return digits is not None and abs(float(text)) < float("inf")


def is_time(form: str) -> Check:
    """Whether a text has the form of a time, and is one that exists."""

    def good(text: str) -> bool:
        with contextlib.suppress(ValueError):
            return re.fullmatch(form, text, re.ASCII) is not None and plain.seconds(text) < 1e12
        return False

    return good


DAY = r"\d{4}-\d\d-\d\d"
CLOCK = r"[T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?"
is_date, is_instant = is_time(DAY), is_time(f"{DAY}({CLOCK})?")
is_zoned = is_time(rf"{DAY}{CLOCK}(Z|[+-]\d\d(:?\d\d)?)")


def is_month_and_day(text: str) -> bool:
    return 3 <= len(text) <= 4 and is_date(f"2014-{text[:-2].zfill(2)}-{text[-2:]}")


CHECKS: dict[str, tuple[str, dict[str, Check]]] = {
    "diginetica": (
        ";",
        {"session_id": is_name, "item_id": is_name, "timeframe": is_number, "eventdate": is_date},
    ),
    "yoochoose": (",", {"0": is_name, "1": is_zoned, "2": is_name, "3": is_optional}),
    "tmall_sessions": ("\t", {"SessionId": is_name, "ItemId": is_name, "Time": is_number}),
    "tmall_log": (
        ",",
        {
            **{"user_id": is_name, "item_id": is_name, "cat_id": is_optional},
            **{"time_stamp": is_month_and_day, "action_type": is_name},
        },
    ),
    "retailrocket": (
        ",",
        {"timestamp": is_number, "visitorid": is_name, "event": is_name, "itemid": is_name},
    ),
    "own_log": (",", {"sid": is_name, "when": is_instant, "item": is_name}),
    "item_categories": (";", {"itemId": is_name, "categoryId": is_name}),
    "item_properties": (
        ",",
        {"timestamp": is_number, "itemid": is_name, "property": is_name, "value": is_name},
    ),
    "category_tree": (",", {"categoryid": is_name, "parentid": is_optional}),
}
"""Delimiter of each kind's file, and what a value has to be in the columns that are read."""


def values_of(line: bytes, delimiter: str) -> list[str] | None:
    """Values of a line by itself, none of a blank one; None where a quote is not closed."""
    text = line.decode("utf-8", "surrogateescape")
    reader = csv.reader([text, ""], delimiter=delimiter)
    values = next(reader)
    return values if text.count('"') % 2 == 0 and reader.line_num == 1 else None


def without_bad_rows(content: bytes, kind: str) -> tuple[bytes, int]:
    """The lines of a log that are good, each judged by itself, and how many are not."""
    delimiter, checks = CHECKS[kind]
    lines = content.removeprefix("\ufeff".encode()).splitlines(keepends=True)
    rows = [values_of(line, delimiter) for line in lines]
    header = ["0", "1", "2", "3"] if kind == "yoochoose" else next(filter(None, rows))
    top = -1 if kind == "yoochoose" else rows.index(header)

    def is_good(values: list[str] | None) -> bool:
        if not values:
            return values == []
        right = (check(values[header.index(name)]) for name, check in checks.items())
        return len(values) == len(header) and all(right)

    good = [line for n, line in enumerate(lines) if n <= top or is_good(rows[n])]
    return b"".join(good), len(lines) - len(good)


def rows_left_out(folder: Path) -> int:
    """How many bad rows the notes of a data set tell of."""
    notes = json.loads((folder / "toy.json").read_text())["notes"]
    found = [re.fullmatch(r"Bad rows of .* \(--skip-bad-rows\): ([\d,]+)\.", n) for n in notes]
    return sum(int(count[1].replace(",", "")) for count in found if count)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_logs(tmp_path: Path, fuzz: Any, kind: str) -> None:
    path, words, expected = KINDS[kind](tmp_path)
    content, right, refused = path.read_bytes(), 0, 0
    out = tmp_path / "out" / "toy"
    for number, random in fuzz.cases():
        path.write_bytes(fuzz.mutate(content, random))
        skip = random.random() < 0.3
        words_now = [*words, *(["--skip-bad-rows"] if skip else [])]
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        found = fuzz.outcome(lambda w=words_now: main([*w, "--out", str(out)]))
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists(), number
        else:
            right += 1
            good, bad = without_bad_rows(path.read_bytes(), kind)
            assert rows_left_out(out) == bad, number
            assert skip or not bad, number
            if skip:
                path.write_bytes(good)
            plain.write(tmp_path / "out" / "plain" / "toy", *expected(path))
            for name in ("toy.train.inter", "toy.valid.inter", "toy.test.inter", "toy.item"):
                theirs = (tmp_path / "out" / "plain" / "toy" / name).read_bytes()
                assert (out / name).read_bytes() == theirs, (number, name)
    fuzz.report(kind, right, refused)


def gzipped(name: str, content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zipped(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


@pytest.mark.parametrize(("pack", "ending"), [(gzipped, ".gz"), (zipped, ".zip")])
def test_packed_logs(tmp_path: Path, fuzz: Any, pack: Any, ending: str) -> None:
    path, _, _ = diginetica(tmp_path)
    packed = pack(path.name, path.read_bytes())
    main(["diginetica", "--raw", str(path), "--out", str(tmp_path / "first" / "toy")])
    whole = (tmp_path / "first" / "toy" / "toy.json").read_bytes()
    path.unlink()
    path, right, refused = tmp_path / (path.name + ending), 0, 0
    for number, random in fuzz.cases():
        path.write_bytes(packed if number % 20 == 0 else fuzz.mutate(packed, random))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        out = tmp_path / "out" / "toy"
        found = fuzz.outcome(
            lambda o=out: main(["diginetica", "--raw", str(path), "--out", str(o)])
        )
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists()
        else:
            right += 1
            assert (out / "toy.json").read_bytes() == whole, number
    fuzz.report(ending, right, refused)
