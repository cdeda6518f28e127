"""Converters of raw logs against the plain converter, byte for byte, on random logs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import currently_in_test_context, event, given, settings
from hypothesis import strategies as st

from benchmarks import plain_converter as plain
from recbole_a2d.convert import main
from recbole_a2d.data import lineage
from recbole_a2d.errors import UserError

# Few ids, so that items stand at exactly five clicks and sessions meet again; any script.
ITEMS = ["1", "2", "3", "07", "7", "é", "商品", "a b", "NA", "4", "5"]
SESSION_IDS = [f"s{number}" for number in range(12)] + ["ü", "0"]
SEEDS = st.integers(0, 2**32)
LINE_END = st.sampled_from(["\n", "\r\n"])
MARK = st.sampled_from(["", "\ufeff"])
ORDERS = st.sampled_from(lineage.ORDERS)
UNSEEN = st.sampled_from(lineage.UNSEEN)
MANY = settings(max_examples=120, deadline=None)


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".json"}


def agree(words: list[str], expected: Any, folder: Path) -> None:
    """The command writes what the plain converter writes, or both find nothing to keep."""
    training, test, categories = expected
    if len(training) < 2 or not test:
        with pytest.raises(UserError, match=r"session is left|too few"):
            main([*words, "--out", str(folder / "ours")])
        assert not (folder / "ours").exists()
        return
    event("compared") if currently_in_test_context() else None
    main([*words, "--out", str(folder / "ours")])
    plain.write(folder / "plain" / "ours", training, test, categories)
    assert folder_bytes(folder / "ours") == folder_bytes(folder / "plain" / "ours")


def write_text(
    path: Path, header: list[str], table: list[list[str]], delimiter: str, data: Any
) -> None:
    """Write rows with a random kind of line end, mark and quoting."""
    end, mark = data.draw(LINE_END), data.draw(MARK)
    quoted = data.draw(st.booleans())
    lines = [*([header] if header else []), *table]
    texts = [
        delimiter.join(f'"{value}"' if quoted and n % 2 else value for n, value in enumerate(line))
        for line in lines
    ]
    last = data.draw(st.sampled_from([end, "", end + end]))
    path.write_text(mark + end.join(texts) + last, encoding="utf-8", newline="")


def random_rows(seed: int, *columns: Sequence[str]) -> list[list[str]]:
    """1 to 120 rows of values out of each column's pool; some rows stand there again."""
    random = Random(seed)
    pools = [
        random.sample(pool, random.randint((len(pool) + 1) // 2, len(pool))) for pool in columns
    ]
    size = random.randint(1, 10) if seed % 5 == 0 else random.randint(20, 150)
    rows = [[random.choice(pool) for pool in pools] for _ in range(size)]
    return rows + [random.choice(rows) for _ in range(random.randint(0, 10))]


# ------------------------------------------------------------------------------ diginetica

DATES = [f"2016-05-{day:02d}" for day in (1, 7, 8, 9, 14, 15, 16)]


@MANY
@given(seed=SEEDS, data=st.data())
def test_diginetica(seed: int, data: Any) -> None:
    rows = random_rows(seed, SESSION_IDS, ITEMS, ["0", "700", "1400", "13", "90000"], DATES)
    delimiter = data.draw(st.sampled_from([";", ",", "\t"]))
    names = data.draw(st.sampled_from([("session_id", "item_id"), ("sessionId", "itemId")]))
    header = [names[0], "user_id", names[1], "timeframe", "eventdate"]
    at_cut = data.draw(st.sampled_from(["drop", "train", "test"]))
    order, unseen = data.draw(ORDERS), data.draw(UNSEEN)
    table = [[s, "NA", i, frame, date] for s, i, frame, date in rows]
    categories = data.draw(
        st.dictionaries(st.sampled_from(ITEMS), st.sampled_from(["c1", "c2", "ç"]))
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(folder / "train-item-views.csv", header, table, delimiter, data)
        if categories:
            lines = ["itemId;categoryId", *(f"{i};{c}" for i, c in categories.items())]
            (folder / "product-categories.csv").write_text("\n".join(lines), encoding="utf-8")
        log = plain.read_diginetica(folder / "train-item-views.csv", delimiter, order)
        training, test = plain.split(
            log, period=7 * plain.DAY, at_cut=at_cut, keep_unseen=unseen == "keep"
        )
        words = ["diginetica", "--raw", name, "--at-cut", at_cut]
        words += ["--order", order, "--unseen-items", unseen]
        agree(words, (training, test, categories), folder)


DATA = Path(os.environ.get("RECBOLE_A2D_DATA", Path(__file__).parents[4] / "shared" / "data"))
SAMPLE = DATA / "diginetica_raw_sample"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"no raw Diginetica sample in {SAMPLE}")
def test_the_real_diginetica_sample(tmp_path: Path) -> None:
    log = plain.read_diginetica(SAMPLE / "train-item-views.csv")
    assert (len(log.clicks), sum(map(len, log.clicks.values()))) == (2986, 12391)
    training, test = plain.split(log, period=7 * plain.DAY)
    rows = plain.rows(SAMPLE / "product-categories.csv", delimiter=";")
    categories = {row["itemId"]: row["categoryId"] for row in rows}
    assert len(categories) == 184_047
    agree(["diginetica", "--raw", str(SAMPLE)], (training, test, categories), tmp_path)
    assert len(training) == 469
    assert len(test) == 39


VIEWS = "session_id;user_id;item_id;timeframe;eventdate\n" + "".join(
    f"{n // 2};NA;{n % 2};{n};2016-05-{1 + n // 8:02d}\n" for n in range(160)
)


def test_an_item_with_two_categories(tmp_path: Path) -> None:
    (tmp_path / "train-item-views.csv").write_text(VIEWS)
    (tmp_path / "product-categories.csv").write_text("itemId;categoryId\n0;1\n1;3\n0;2\n")
    message = "product-categories.csv: item '0' has the categories '1' and '2'; keep one"
    with pytest.raises(UserError, match=message):
        main(["diginetica", "--raw", str(tmp_path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_diginetica_names_the_option_of_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "train-item-views.csv").write_text(VIEWS)
    words = ["diginetica", "--raw", str(tmp_path), "--categories", "nope.csv"]
    with pytest.raises(UserError, match="^nope.csv is not a file: .* raw file to --categories$"):
        main([*words, "--out", str(tmp_path / "out")])


def test_bad_rows_of_every_file_are_counted(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "train-item-views.csv").write_text(VIEWS + "1;2\n;;;;\n")
    (tmp_path / "product-categories.csv").write_text("itemId;categoryId\n0;7\n1;8\n3\n")
    words = ["diginetica", "--raw", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match=r"train-item-views.csv, line 162: 2 values instead of 5"):
        main(words)
    main([*words, "--skip-bad-rows"])
    printed = capsys.readouterr().out
    assert "Bad rows of train-item-views.csv that were left out (--skip-bad-rows): 2." in printed
    assert "Bad rows of product-categories.csv that were left out (--skip-bad-rows): 1." in printed


# ------------------------------------------------------------------------------ yoochoose

INSTANTS = [
    f"2014-09-{day}T03:00:0{second}Z"
    for day in (26, 27, 28, 29, 30)
    for second in ("0.000", "0.277", "1.999")
]


@MANY
@given(seed=SEEDS, data=st.data())
def test_yoochoose(seed: int, data: Any) -> None:
    categories_named = ["", "0", "S", "1", "2", "12", "2089045230"]
    rows = random_rows(seed, SESSION_IDS, INSTANTS, ITEMS, categories_named)
    parts = data.draw(st.sampled_from([1, 2, 4]))
    order, unseen = data.draw(ORDERS), data.draw(UNSEEN)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "yoochoose-clicks.dat"
        write_text(path, [], rows, ",", data)
        log = plain.read_yoochoose(path, order)
        training, test = plain.split(log, period=plain.DAY, keep_unseen=unseen == "keep")
        words = ["yoochoose", "--raw", name, "--fraction", f"1/{parts}", "--order", order]
        words += ["--unseen-items", unseen]
        if sum(len(clicks) - 1 for _, clicks in training) < parts:
            return  # nothing to cut into parts
        training = plain.last_part(training, parts)
        categories = plain.frequent_categories(log, training, ("", "0", "S"))
        agree(words, (training, test, categories), folder)


def test_yoochoose_with_a_header(tmp_path: Path) -> None:
    rows = "".join(f"{n // 2},2014-09-{20 + n // 8}T00:00:00.000Z,{n % 2},0\n" for n in range(40))
    for name, header in (("a", ""), ("b", "session_id,timestamp,item_id,category\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "yoochoose-clicks.dat").write_text(header + rows)
        out = tmp_path / f"out_{name}" / "x"
        main(["yoochoose", "--raw", str(tmp_path / name), "--fraction", "1", "--out", str(out)])
    assert folder_bytes(tmp_path / "out_a" / "x") == folder_bytes(tmp_path / "out_b" / "x")


@pytest.mark.parametrize("header", ["", "session_id,timestamp,item_id,category\n"])
@pytest.mark.parametrize("bad", ["", "noon", "1400000000", "2014-09-20T00:00:00"])
def test_yoochoose_with_a_bad_first_row(tmp_path: Path, header: str, bad: str) -> None:
    rows = "".join(f"{n // 2},2014-09-{20 + n // 8}T00:00:00.000Z,{n % 2},0\n" for n in range(40))
    words = ["yoochoose", "--raw", str(tmp_path), "--fraction", "1", "--skip-bad-rows"]
    for name, first in (("whole", ""), ("bad", f"7,{bad},1,0\n")):
        (tmp_path / "yoochoose-clicks.dat").write_text(header + first + rows)
        main([*words, "--out", str(tmp_path / name / "x")])
    assert folder_bytes(tmp_path / "bad" / "x") == folder_bytes(tmp_path / "whole" / "x")


def test_yoochoose_takes_no_numbers_for_times(tmp_path: Path) -> None:
    (tmp_path / "yoochoose-clicks.dat").write_text("1,1400000000,5,0\n" * 9)
    with pytest.raises(UserError, match="line 1: time: '1400000000' is not a time like 2014-04"):
        main(["yoochoose", "--raw", str(tmp_path), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize("fraction", ["0", "2", "1/0", "x", "-1/4", "1/1000"])
def test_yoochoose_fraction(tmp_path: Path, fraction: str) -> None:
    rows = "".join(f"{n // 2},2014-09-{20 + n // 8}T00:00:00.000Z,{n % 2},0\n" for n in range(40))
    (tmp_path / "yoochoose-clicks.dat").write_text(rows)
    words = ["yoochoose", "--raw", str(tmp_path), f"--fraction={fraction}"]
    with pytest.raises(UserError, match="--fraction"):
        main([*words, "--out", str(tmp_path / "out")])


# ------------------------------------------------------------------------------ tmall

NUMBERS = [str(number) for number in range(119_989, 120_003)]
UNITS = ["0", "5", "10", "12.5", "20", "25", "60", "110", "125"]


@MANY
@given(seed=SEEDS, data=st.data())
def test_tmall_sessions(seed: int, data: Any) -> None:
    rows = random_rows(seed, NUMBERS, ITEMS, UNITS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "dataset15.csv"
        table = [["u", item, session, time] for session, item, time in rows]
        write_text(path, ["UserId", "ItemId", "SessionId", "Time"], table, "\t", data)
        log = plain.read_tmall_sessions(path)
        unseen = data.draw(UNSEEN)
        training, test = plain.split(log, period=100, longest=40, keep_unseen=unseen == "keep")
        if not log.clicks:
            return
        words = ["tmall", "--raw", str(path), "--unseen-items", unseen]
        agree(words, (training, test, {}), folder)


DAYS = ["0511", "829", "1109", "1110", "1111", "1112"]
LOG_HEADER = ["user_id", "item_id", "cat_id", "seller_id", "brand_id", "time_stamp", "action_type"]


@MANY
@given(seed=SEEDS, data=st.data())
def test_tmall_log(seed: int, data: Any) -> None:
    users = ["10", "11", "é"]
    rows = random_rows(seed, users, ITEMS, ["602", "7", ""], DAYS, ["0", "0", "0", "2"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "user_log_format1.csv"
        table = [[u, i, c, "1", "", day, act] for u, i, c, day, act in rows]
        write_text(path, LOG_HEADER, table, ",", data)
        log = plain.read_tmall_log(path)
        if not log.clicks:
            return
        training, test = plain.split(log, period=plain.DAY, at_cut="train", longest=40)
        categories = plain.frequent_categories(log, training)
        agree(["tmall", "--raw", name], (training, test, categories), folder)


def test_tmall_categories_come_from_the_user_log(tmp_path: Path) -> None:
    sessions = [["u", str(n % 2), str(n // 2), str(n)] for n in range(0, 400)]
    lines = ["\t".join(row) for row in [["UserId", "ItemId", "SessionId", "Time"], *sessions]]
    (tmp_path / "dataset15.csv").write_text("\n".join(lines))
    (tmp_path / "user_log_format1.csv").write_text(
        ",".join(LOG_HEADER) + "\n1,0,77,1,1,1111,0\n1,1,88,1,1,1111,0\n1,1,88,1,,1111,2\n"
    )
    main(["tmall", "--raw", str(tmp_path), "--out", str(tmp_path / "out")])
    assert (tmp_path / "out" / "out.item").read_text().splitlines()[1:] == ["0\t77", "1\t88"]


def test_tmall_test_units_that_take_all(tmp_path: Path) -> None:
    lines = ["ItemId\tSessionId\tTime", *(f"{n % 2}\t{n // 2}\t{n}" for n in range(400))]
    (tmp_path / "dataset15.csv").write_text("\n".join(lines))
    with pytest.raises(UserError, match="--test-units 999 of 398 units of Time takes all"):
        main(["tmall", "--raw", str(tmp_path), "--test-units", "999", "--out", str(tmp_path / "o")])


@pytest.mark.parametrize(
    ("columns", "words", "told"),
    [
        (["ItemId", "SessionId", "Time"], ["--actions", "click"], "--actions is for user_log_for"),
        (["ItemId", "SessionId", "Time"], ["--test-days", "1"], "--test-days is for user_log_for"),
        (LOG_HEADER, ["--last-session", "0"], "--last-session is for dataset15.csv"),
        (LOG_HEADER, ["--user-log", "log.csv"], "--user-log is for dataset15.csv"),
        (LOG_HEADER, ["--test-units", "100"], "--test-units is for dataset15.csv"),
    ],
)
def test_tmall_options_of_the_other_form(
    tmp_path: Path, columns: list[str], words: list[str], told: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(",".join(columns) + "\n")
    with pytest.raises(UserError, match=told):
        main(["tmall", "--raw", str(path), "--out", str(tmp_path / "out"), *words])
    assert not (tmp_path / "out").exists()


def test_tmall_names_what_to_give_where_a_file_is_missing(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match="nope holds neither .*: give the file or its folder to --"):
        main(["tmall", "--raw", "nope", *out])
    (tmp_path / "dataset15.csv").write_text("ItemId\tSessionId\tTime\n1\t1\t1\n")
    with pytest.raises(UserError, match="^nope.csv is not a file: .* raw file to --user-log$"):
        main(["tmall", "--raw", str(tmp_path), "--user-log", "nope.csv", *out])


@pytest.mark.parametrize("actions", ["click,carts", "click,", "0", "Click"])
def test_tmall_actions_are_known_ones(tmp_path: Path, actions: str) -> None:
    (tmp_path / "user_log_format1.csv").write_text(",".join(LOG_HEADER) + "\n")
    wrong = actions.removeprefix("click,")
    with pytest.raises(
        UserError, match=f"--actions {actions}: '{wrong}' is none of click, cart, p"
    ):
        main(["tmall", "--raw", str(tmp_path), "--actions", actions, "--out", str(tmp_path / "o")])


# ------------------------------------------------------------------------------ retailrocket

VISITS = [str(1433221332117 + n * 3 * 86_400_000 // 2) for n in range(8)]


@MANY
@given(seed=SEEDS, data=st.data())
def test_retailrocket(seed: int, data: Any) -> None:
    pauses = ["0", "900000", "1800000", "1800001", "3600000"]
    users, events = ["1", "2", "é"], ["view", "view", "view", "addtocart"]
    rows = random_rows(seed, VISITS, pauses, users, events, ITEMS)
    table = [
        [str(int(day) + int(more)), user, event, item, ""] for day, more, user, event, item in rows
    ]
    order = data.draw(ORDERS)
    properties = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(VISITS),
                st.sampled_from(ITEMS),
                st.sampled_from(["categoryid", "790"]),
                st.sampled_from(["5", "6", "n9 8"]),
            ).map(list),
            max_size=20,
        )
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        header = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
        write_text(folder / "events.csv", header, table, ",", data)
        views = [(u, i, int(t) / 1000, "") for t, u, event, i, _ in table if event == "view"]
        if not views:
            return
        training, test = plain.split(plain.cut_users(views, 1800, order), period=7 * plain.DAY)
        categories: dict[str, str] = {}
        if any(row[2] == "categoryid" for row in properties):
            header = ["timestamp", "itemid", "property", "value"]
            path = folder / "item_properties_part1.csv"
            write_text(path, header, properties, ",", data)
            last = max((t for _, clicks in training for _, t in clicks), default=0.0)
            for time, item, kind, value in sorted(properties, key=lambda row: int(row[0])):
                if kind == "categoryid" and int(time) / 1000 <= last:
                    categories[item] = value
        agree(
            ["retailrocket", "--raw", name, "--order", order], (training, test, categories), folder
        )


def test_retailrocket_levels(tmp_path: Path) -> None:
    views = [(n * 86_400_000, n % 2) for n in range(30)]
    lines = [f"{t + k},{t},view,{i + k},\n" for t, i in views for k in (0, 1, 2) if i + k < 3]
    header = "timestamp,visitorid,event,itemid,transactionid\n"
    (tmp_path / "events.csv").write_text(header + "".join(lines))
    (tmp_path / "item_properties_part2.csv").write_text(
        "timestamp,itemid,property,value\n0,0,categoryid,3\n0,1,categoryid,2\n0,2,categoryid,8\n"
    )
    (tmp_path / "category_tree.csv").write_text("categoryid,parentid\n3,2\n2,1\n1,\n")
    found = {}
    for level in ("leaf", "parent", "root"):
        out = tmp_path / level
        words = ["retailrocket", "--raw", str(tmp_path), "--category-level", level]
        main([*words, "--out", str(out)])
        lines = (out / f"{level}.item").read_text().splitlines()[1:]
        found[level] = dict(line.split("\t") for line in lines)
    assert found["leaf"] == {"0": "3", "1": "2", "2": "8"}
    assert found["parent"] == {"0": "2", "1": "1", "2": "8"}
    assert found["root"] == {"0": "1", "1": "1", "2": "8"}
    (tmp_path / "category_tree.csv").write_text("categoryid,parentid\n3,2\n2,3\n")
    with pytest.raises(UserError, match="lies above itself"):
        main([*words, "--out", str(tmp_path / "again")])


EVENTS = "timestamp,visitorid,event,itemid,transactionid\n" + "".join(
    f"{n // 4 * 40_000_000 + n},{n // 4},{('view', 'addtocart')[n % 2]},{n % 3},\n"
    for n in range(160)
)


@pytest.mark.parametrize("typo", ["addtocard", "View", "", "view addtocart"])
def test_retailrocket_events_are_known_ones(tmp_path: Path, typo: str) -> None:
    """Every one of them: the others would make a data set without what the typo stands for."""
    (tmp_path / "events.csv").write_text(EVENTS)
    words = ["retailrocket", "--raw", str(tmp_path), "--out", str(tmp_path / "out")]
    for events in (typo, f"view,{typo}", f"{typo},view"):
        with pytest.raises(UserError, match=f"--events {events}: '{typo}' is none of view, addto"):
            main([*words, "--events", events])
    assert not (tmp_path / "out").exists()


def test_retailrocket_events_may_have_blanks_between(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS)
    found = []
    for events in ("view,addtocart", "view, addtocart "):
        words = ["retailrocket", "--raw", str(tmp_path), "--events", events]
        main([*words, "--out", str(tmp_path / "out")])
        found.append({p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()})
    assert found[0] == found[1]
    clicks = (tmp_path / "out" / "out.train.inter").read_text().splitlines()[1:5]
    assert [click.split("\t")[1] for click in clicks] == ["0", "1", "2", "0"]
