"""Anyone's own log: delimited or parquet, sessions named or cut at pauses."""

from __future__ import annotations

import gzip
import tempfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from benchmarks import plain_converter as plain
from recbole_a2d.convert import main
from recbole_a2d.data.epochs import UNITS
from recbole_a2d.data.lineage import AT_CUT, ORDERS, UNSEEN
from recbole_a2d.errors import UserError

ITEMS = ["1", "2", "07", "7", "é", "商品", "a b", 'q"q', "x,y", "NA", "null"]
NAMED = ["--session", "sid", "--item", "item", "--time", "when"]
CUT = ["--user", "sid", "--item", "item", "--time", "when"]
COLUMNS = ["when", "extra", "sid", "item", "cat"]


def some_log(seed: int, seconds: int = 9000) -> list[list[str]]:
    """Rows of time (seconds), an unused value, session or user, item, category."""
    random = Random(seed)
    return [
        [
            str(1_400_000_000 + random.randrange(0, seconds, 450)),
            random.choice(["", "line", 'say "hi"']),
            random.choice(["u1", "u2", "ü", "4", "5", "6"]),
            random.choice(ITEMS[: random.randint(2, len(ITEMS))]),
            random.choice(["", "c1", "c2"]),
        ]
        for _ in range(random.randint(30, 150))
    ]


def plain_sessions(rows: list[list[str]], gap: float | None, order: str) -> plain.Log:
    clicks = [(s, i, float(t), c) for t, _, s, i, c in rows]
    if gap is not None:
        return plain.cut_users(clicks, gap, order)
    log = plain.Log()
    for session, item, time, category in clicks:
        plain.add_timed(log, session, item, time, order)
        log.named.append((session, item, category))
    return log


def field(text: str, delimiter: str) -> str:
    special = any(character in text for character in (delimiter, '"', "\n"))
    return '"' + text.replace('"', '""') + '"' if special else text


def as_text(rows: list[list[str]], delimiter: str = ",") -> str:
    lines = [COLUMNS, *rows]
    return "\n".join(delimiter.join(field(v, delimiter) for v in row) for row in lines) + "\n"


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".json"}


def iso(seconds: str) -> str:
    return pd.Timestamp(int(seconds), unit="s").isoformat()


TIME_TEXTS: dict[str, Any] = {
    "s": lambda t: t,
    "ms": lambda t: t + "000",
    "us": lambda t: t + "000000",
    "ns": lambda t: t + "000000000",
    "float": lambda t: t + ".0",
    "exponent": lambda t: f"{int(t):.9e}",
    "iso": iso,
    "iso with blank": lambda t: iso(t).replace("T", " "),
    "utc": lambda t: iso(t) + "Z",
    "named utc": lambda t: iso(t).replace("T", " ") + " UTC",
    "zone": lambda t: iso(str(int(t) + 7200)) + "+02:00",
}


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_against_the_plain_converter(seed: int, data: Any) -> None:
    rows = some_log(seed)
    text_of_time = TIME_TEXTS[data.draw(st.sampled_from(sorted(TIME_TEXTS)))]
    delimiter = data.draw(st.sampled_from([",", ";", "\t", "|"]))
    gap = data.draw(st.sampled_from([None, 450, 900]))
    days = data.draw(st.sampled_from([None, 0.05]))
    order, unseen = data.draw(st.sampled_from(ORDERS)), data.draw(st.sampled_from(UNSEEN))
    log = plain_sessions(rows, gap, order)
    fraction = 0.1 if days is None else None
    training, test = plain.split(
        log, period=4320, at_cut="train", fraction=fraction, keep_unseen=unseen == "keep"
    )
    if len(training) < 2 or not test:
        return
    event("compared")
    written = as_text([[text_of_time(t), *rest] for t, *rest in rows], delimiter)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log.csv").write_text(written, encoding="utf-8")
        words = ["csv", "--raw", str(folder / "log.csv"), "--category", "cat"]
        words += NAMED if gap is None else [*CUT, "--gap", f"{gap}s"]
        words += [] if days is None else ["--test-days", str(days)]
        words += ["--order", order, "--unseen-items", unseen]
        main([*words, "--out", str(folder / "ours")])
        categories = plain.frequent_categories(log, training)
        plain.write(folder / "plain" / "ours", training, test, categories)
        assert folder_bytes(folder / "ours") == folder_bytes(folder / "plain" / "ours")


@pytest.fixture
def rows() -> list[list[str]]:
    return some_log(7)


def converted(path: Path, *words: str, columns: list[str] = NAMED) -> dict[str, bytes]:
    out = path.parent / "out" / "log"
    main(["csv", "--raw", str(path), *columns, *words, "--out", str(out)])
    return folder_bytes(out)


def test_packed_files_and_parquet_give_the_same(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_text(rows), encoding="utf-8")
    expected = converted(path, "--category", "cat")
    with gzip.open(tmp_path / "log.csv.gz", "wb") as file:
        file.write(path.read_bytes())
    assert converted(tmp_path / "log.csv.gz", "--category", "cat") == expected
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.write(path, "any/../../name.csv")
    assert converted(tmp_path / "log.zip", "--category", "cat") == expected
    frame = pd.DataFrame(rows, columns=COLUMNS)
    times = {
        "text": frame["when"].map(iso),
        "number": frame["when"].astype("int64"),
        "time": pd.to_datetime(frame["when"].astype("int64"), unit="s"),
        "zoned": pd.to_datetime(frame["when"].astype("int64"), unit="s", utc=True),
    }
    for name, column in times.items():
        frame.assign(when=column).to_parquet(tmp_path / f"{name}.parquet", index=False)
        assert converted(tmp_path / f"{name}.parquet", "--category", "cat") == expected


def test_without_header(tmp_path: Path, rows: list[list[str]]) -> None:
    (tmp_path / "a.csv").write_text(as_text(rows), encoding="utf-8")
    (tmp_path / "b.csv").write_text(as_text(rows).split("\n", 1)[1], encoding="utf-8")
    numbers = ["--no-header", "--session", "3", "--item", "4", "--time", "1"]
    assert converted(tmp_path / "a.csv") == converted(tmp_path / "b.csv", columns=numbers)


def test_line_ends_in_quotes_have_to_be_allowed(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_text(rows), encoding="utf-8")
    expected = converted(path)
    changed = [[t, "two\nlines" if n % 9 == 0 else x, *r] for n, (t, x, *r) in enumerate(rows)]
    path.write_text(as_text(changed), encoding="utf-8")
    with pytest.raises(UserError, match=r"line 2: a quoted value goes on to line 3"):
        converted(path)
    assert converted(path, "--line-ends-in-quotes") == expected


@pytest.mark.parametrize("rows", [59, 60])
def test_quotes_as_plain_characters(tmp_path: Path, rows: int) -> None:
    """Whether the file holds an odd number of them or an even one."""
    lines = [f'{n},{n // 2},{n % 2}" pipe' for n in range(rows)]
    path = tmp_path / "log.csv"
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match="line 2: a double quote is never closed"):
        converted(path)
    assert b'0" pipe' in converted(path, "--no-quotes")["log.item"]


FORMS = {
    "s": "1400000000",
    "iso": "2014-05-13T16:53:20",
    "utc": "2014-05-13T16:53:20Z",
    "named utc": "2014-05-13T16:53:20 UTC",
}


@pytest.mark.parametrize("bad", ["", "noon", "2014-13-01", *FORMS.values()])
@pytest.mark.parametrize("form", FORMS)
def test_one_bad_row_does_not_tell_the_form_of_times(
    tmp_path: Path, rows: list[list[str]], form: str, bad: str
) -> None:
    """Nor does it cost any other row, be it the first one."""
    if bad == FORMS[form]:
        return
    timed = [[TIME_TEXTS[form](time), *rest] for time, *rest in rows]
    (tmp_path / "log.csv").write_text(as_text(timed), encoding="utf-8")
    expected = converted(tmp_path / "log.csv")
    timed.insert(0, [bad, *rows[0][1:]])
    (tmp_path / "log.csv").write_text(as_text(timed), encoding="utf-8")
    pd.DataFrame(timed, columns=COLUMNS).to_parquet(tmp_path / "log.parquet")
    paths = ["log.csv"] if form == "s" else ["log.csv", "log.parquet"]  # whose texts are ISO alone
    for name, place in zip(paths, ("line 2", "row 1"), strict=False):
        with pytest.raises(UserError, match=f"{place}: time: "):
            converted(tmp_path / name)
        assert converted(tmp_path / name, "--skip-bad-rows") == expected


@pytest.mark.parametrize("bad", ["5", "5,x,u1,1,c,d,e", '5,"x,u1,1,c'])
def test_one_bad_row_does_not_tell_the_columns(
    tmp_path: Path, rows: list[list[str]], bad: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_text(rows), encoding="utf-8")
    expected = converted(path)
    path.write_text("\n".join([bad, as_text(rows).split("\n", 1)[1]]), encoding="utf-8")
    columns = ["--no-header", "--session", "3", "--item", "4", "--time", "1"]
    columns += ["--delimiter", ","]
    with pytest.raises(UserError, match="line 1: "):
        converted(path, columns=columns)
    assert converted(path, "--skip-bad-rows", columns=columns) == expected


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_can_be_given(tmp_path: Path, unit: str) -> None:
    lines = [f"{n * UNITS[unit]},{n // 2},{n % 2}" for n in range(60)]
    path = tmp_path / "log.csv"
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    assert b"0\t0\t0\n0\t1\t1\n" in converted(path, "--time-unit", unit)["log.train.inter"]


BAD_TIMES = {
    "look like s and ms": ["1400000000", "1400000000000"],
    "look like dates": ["20140407", "20140408"],
    r"look like dates \(2014040811\)": ["2014040710", "2014040811"],
    r"look like dates \(20140408105109\)": ["20140407105109", "20140408105109"],
    "line 3: time: 'noon' is not a number": ["5", "noon"],
    "line 3: time: 'nan' is not a number": ["5", "nan"],
    "line 3: time: '1e999' is not a number": ["5", "1e999"],
    "line 3: time: '7' is not a time like": ["2014-04-07", "7"],
    "line 3: time: '2014-02-30' is not a date": ["2014-04-07", "2014-02-30"],
    "have a time zone and some have none": ["2014-04-07", "2014-04-07T00:00Z"],
    "line 2: time: a value is missing": ["", "5"],
}


@pytest.mark.parametrize("message", BAD_TIMES)
def test_bad_times(tmp_path: Path, message: str) -> None:
    path = tmp_path / "log.csv"
    lines = [f"{time},1,{number % 2}" for number, time in enumerate(BAD_TIMES[message] * 20)]
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        converted(path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("clicks", "options", "warned"),
    [(1_000, (), False), (1_001, (), True), (1_001, ("--max-session-clicks", "50"), False)],
)
def test_a_session_no_shopper_makes_is_warned_of(
    tmp_path: Path, clicks: int, options: tuple[str, ...], warned: bool, capsys: Any
) -> None:
    path, ids = tmp_path / "log.csv", ["NULL"] * clicks
    ids += [str(n // 4) for n in range(80)]
    lines = [f"{1_600_000_000 + n},{sid},{n % 2}" for n, sid in enumerate(ids)]
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    converted(path, *options)
    told = f"warning: session 'NULL' has {clicks:,} clicks: if it stands for missing ids"
    assert (told in capsys.readouterr().err) == warned


SPANS = {
    "": [1_600_000_000, 1_600_000_000 + 9 * 31_557_600],
    "span 50.7 years, 1969-12-31 to 2020-09-13: if a time": [-5, 1_600_000_000],
    "span 5.065e+04 years, 2020-09-13 to 1.6e+12 s: if a time": [1_600_000_000, 1_600_000_000_000],
}


@pytest.mark.parametrize("message", SPANS)
def test_times_far_apart_are_warned_of(tmp_path: Path, message: str, capsys: Any) -> None:
    path = tmp_path / "log.csv"
    lines = [f"{time},{n // 2},{n % 2}" for n, time in enumerate(SPANS[message] * 20)]
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    converted(path, "--time-unit", "s")
    spans = [line for line in capsys.readouterr().err.splitlines() if "span" in line]
    assert len(spans) == bool(message)
    assert all(line.startswith(f"warning: the clicks {message}") for line in spans)


def test_a_unit_for_dates_is_refused(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "log.csv"
    dated = [[iso(row[0]), *row[1:]] for row in rows]
    path.write_text(as_text(dated), encoding="utf-8")
    frame = pd.DataFrame(dated, columns=COLUMNS)
    frame.assign(when=pd.to_datetime(frame["when"])).to_parquet(tmp_path / "log.parquet")
    for name in ("log.csv", "log.parquet"):
        with pytest.raises(UserError, match=r"dates, not numbers .* leave --time-unit out"):
            converted(tmp_path / name, "--time-unit", "ms")


def test_dates_are_never_taken_for_numbers(tmp_path: Path) -> None:
    """The last second of 9999 as a number would be one of milliseconds."""
    lines = [f"{year}-12-31T23:59:59,{n // 2},{n % 2}" for n in range(60) for year in (2014, 9999)]
    path = tmp_path / "log.csv"
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    assert b"\t253402300799\n" in converted(path)["log.train.inter"]


BAD_WORDS: list[tuple[list[str], str]] = [
    (["--item", "item", "--time", "when"], "give --session COLUMN, or --user"),
    ([*NAMED, "--user", "sid"], "give --session COLUMN, or --user"),
    ([*NAMED, "--test-days", "1", "--test-fraction", "0.1"], "not both"),
    ([*NAMED, "--test-fraction", "1"], "--test-fraction 1.0 must be"),
    ([*NAMED, "--test-days", "-1"], "must be above 0"),
    ([*NAMED, "--test-days", "inf"], r"\(--test-days\) must be above 0 and finite"),
    ([*NAMED, "--test-days", "1000"], r"no training .*--test-days 1000 of 0\.\d+ days takes all"),
    ([*NAMED, "--test-days", "1e-15"], r"no test .*--test-days 1e-15 of 0\.\d+ days takes none"),
    ([*NAMED, "--test-fraction", "0.99"], r"no training .*--test-fraction 0.99 of 6 .*give less"),
    ([*NAMED, "--test-fraction", "0.01"], r"no test .*--test-fraction 0.01 of 6 .*give more"),
    ([*NAMED, "--min-item-clicks", "999"], r"none has 2 clicks .*smaller --min-item-clicks$"),
    ([*NAMED, "--max-session-clicks", "2"], "none has 2 to 2 .* or a larger --max-session-clicks"),
    ([*NAMED, "--min-session-clicks", "1"], "must be at least 2"),
    ([*CUT, "--gap", "soon"], "--gap soon is not a pause"),
    ([*CUT, "--gap", "0m"], "--gap 0m is not a pause"),
    ([*NAMED, "--category", "sid"], "--session and --category both name the column 'sid'"),
    (["--session", "when", *NAMED[2:]], "--session and --time both name the column 'when'"),
    ([*NAMED, "--gap", "5m"], "--gap cuts the clicks of a --user"),
    ([*NAMED, "--at-cut", "drop"], "--at-cut is for a cut by --test-days"),
    ([*NAMED, "--no-quotes", "--line-ends-in-quotes"], "not both"),
    ([*NAMED, "--min-item-clicks", "-1"], "--min-item-clicks -1 must be at least 0"),
    ([*NAMED, "--max-session-clicks", "0"], "--max-session-clicks 0 must be at least 2"),
    ([*NAMED, "--max-session-clicks", "1"], "--max-session-clicks 1 must be at least 2"),
    (
        [*NAMED, "--max-session-clicks", "3", "--min-session-clicks", "4"],
        "--max-session-clicks 3 must be at least 4",
    ),
    ([*NAMED, "--delimiter", "ab"], "must be one character"),
    (
        [*NAMED, "--category", "kind"],
        r"no column 'kind'; the header is \[.*\]: name one of these, or give the --delimiter if",
    ),
]


@pytest.mark.parametrize(("words", "message"), BAD_WORDS)
def test_bad_words(tmp_path: Path, words: list[str], message: str, rows: Any) -> None:
    (tmp_path / "log.csv").write_text(as_text(rows), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        converted(tmp_path / "log.csv", columns=words)


def test_nothing_known_to_test(tmp_path: Path) -> None:
    lines = [f"{n},{n // 4},{'new' if n >= 36 else n % 2}" for n in range(40)]
    path = tmp_path / "log.csv"
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    words = ["--test-fraction", "0.1", "--min-item-clicks", "1"]
    with pytest.raises(UserError, match="no test session is left: none has 2 clicks on items that"):
        converted(path, *words)
    assert b"new" in converted(path, *words, "--unseen-items", "keep")["log.test.inter"]


@pytest.mark.parametrize(
    "words", [["--delimiter", ";"], ["--no-header"], ["--no-quotes"], ["--line-ends-in-quotes"]]
)
def test_options_of_text_are_refused_for_parquet(
    tmp_path: Path, words: list[str], rows: list[list[str]]
) -> None:
    path = tmp_path / "log.parquet"
    pd.DataFrame(rows, columns=COLUMNS).to_parquet(path)
    with pytest.raises(UserError, match=f"log.parquet is parquet, and {words[0]} is for"):
        converted(path, *words)


@pytest.mark.parametrize("at_cut", AT_CUT)
def test_at_cut(tmp_path: Path, at_cut: str) -> None:
    """Session 18 ends exactly a day before the last click."""
    lines = [f"{n // 2 * 43_200},{n // 2},{n % 2}" for n in range(42)]
    path = tmp_path / "log.csv"
    path.write_text("when,sid,item\n" + "\n".join(lines), encoding="utf-8")
    written = converted(path, "--test-days", "1", "--at-cut", at_cut, "--valid-fraction", "0")
    places = [name for name, text in written.items() if b"\n18\t" in text]
    assert places == {"drop": [], "train": ["log.train.inter"], "test": ["log.test.inter"]}[at_cut]


def test_parquet_faults(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "log.parquet"
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame.assign(when=frame["when"].astype("float64")).to_parquet(path)
    expected = converted(path)
    frame.loc[len(frame)] = ["1400000000", "", "u1", None, ""]
    frame.assign(when=frame["when"].astype("float64")).to_parquet(path)
    with pytest.raises(UserError, match=rf"row {len(frame)}: item: a value is missing"):
        converted(path)
    assert converted(path, "--skip-bad-rows") == expected
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="truncated or not parquet"):
        converted(path)


def test_parquet_columns_that_cannot_be_used(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "log.parquet"
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame.assign(item=1.5, when=1).to_parquet(path)
    with pytest.raises(UserError, match="'item' holds double, which is no item: cast .*pandas"):
        converted(path)
    frame.assign(item=True, when=1).to_parquet(path)
    with pytest.raises(UserError, match="'item' holds bool, which is no item: cast it .* text$"):
        converted(path)
    frame.assign(when=True).to_parquet(path)
    with pytest.raises(UserError, match="'when' holds bool, which is no time: save it as"):
        converted(path)
    frame.to_parquet(path)
    with pytest.raises(UserError, match=r"no column 'kind'; it has \[.*\]: name one of these"):
        converted(path, "--category", "kind")


@pytest.mark.parametrize("content", [b"PK\x03\x04\x14,a\n", b"\x89PNG\r\n", b"SQLite format 3\0\n"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.xlsx").write_bytes(content)
    with pytest.raises(UserError, match="no column 'sid'; .*: this is no text: export the log"):
        converted(tmp_path / "log.xlsx")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251", "gb2312"])
def test_a_header_that_is_not_utf_8(tmp_path: Path, encoding: str) -> None:
    name = {"cp1251": "товар", "gb2312": "商品", "cp1252": "œuvre"}.get(encoding, "pièce")
    path = tmp_path / "log.csv"
    path.write_bytes(f"{name},sid,when\n1,2,3\n".encode(encoding))
    with pytest.raises(UserError, match="no column 'item'.*: it is not UTF-8: save .* as UTF-8$"):
        converted(path)


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("sid,sid,item,when\n")
    with pytest.raises(UserError, match=r"more than one column 'sid'; .*: rename all but one"):
        converted(tmp_path / "log.csv")
