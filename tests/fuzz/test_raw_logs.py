"""Mutated files of every kind: a correct data set or one clear error, nothing else.

``FUZZ_COUNT=10000 python -m pytest tests/fuzz`` runs as many cases a kind (default: 80). Case
``n`` depends on ``n`` alone, so that a failure can be run again by its number: ``FUZZ_FIRST=n``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gzip
import io
import os
import pickle
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from benchmarks import plain_converter as plain
from recbole_a2d.checkpoint import load_checkpoint, save_checkpoint
from recbole_a2d.convert import main
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.tables import SPLITS
from recbole_a2d.errors import UserError

COUNT = int(os.environ.get("FUZZ_COUNT", "80"))
FIRST = int(os.environ.get("FUZZ_FIRST", "0"))
SECONDS_PER_CASE = 20
RUNS_CODE = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pickle.find_class"}
SPICE = [
    b"", b"0", b"-1", b"nan", b"inf", b"1e999", b"99999999999999999999", b'"', b'""', b",", b";",
    b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", "ü商".encode(), b" ", b"NA",
    b"2016-02-30", b"2016-05-09", b"1399-01-01", b"../../x", b"1,2,3,4", b"=1+1", b"'", b"\\",
]  # fmt: skip

run_code: list[str] = []
watched = False


@pytest.fixture(scope="module", autouse=True)
def watch_for_code() -> None:
    """Note every event by which a file could run something. A hook stays for good."""

    def hook(event: str, _: Any) -> None:
        if watched and event in RUNS_CODE:
            run_code.append(event)

    sys.addaudithook(hook)


def mutate(content: bytes, random: Random) -> bytes:
    """One to four small changes."""
    for _ in range(random.randint(1, 4)):
        place, length = random.randint(0, len(content)), random.randint(0, 12)
        choice = random.randrange(7)
        if choice == 0:
            content = content[:place] + random.choice(SPICE) + content[place:]
        elif choice == 1:
            content = content[:place] + random.choice(SPICE) + content[place + length :]
        elif choice == 2:
            content = content[:place] + content[place + length :]
        elif choice == 3:
            flipped = bytes([random.randrange(256)])
            content = content[:place] + flipped + content[place + 1 :]
        elif choice == 4:
            content = content[:place] + content[place : place + 40] + content[place:]
        elif choice == 5 and random.random() < 0.3:
            content = content[:place]
        else:
            content = change_line(content, random)
    return content


def change_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    place = random.randrange(len(lines))
    values = re.split(rb"([;,\t])", lines[place])
    values[random.randrange(len(values))] = random.choice(SPICE)
    lines[place] = random.choice([b"".join(values), lines[place] * 2, b"", lines[-1]])
    return b"".join(lines)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """A case that hangs is a failure."""

    def stop(*_: Any) -> None:
        raise AssertionError(f"no end within {SECONDS_PER_CASE} s")

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS_PER_CASE)
    # Where C code hangs, no handler of Python runs: show where it is, and end.
    faulthandler.dump_traceback_later(3 * SECONDS_PER_CASE, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def outcome(work: Callable[[], Any]) -> Any:
    """Result of some work, or its ``UserError``, which must be one readable line."""
    global watched
    watched = True
    try:
        with time_limit(), contextlib.redirect_stdout(io.StringIO()):
            return work()
    except UserError as error:
        text = str(error)
        assert 10 < len(text) < 2000
        assert "\n" not in text
        return error
    finally:
        watched = False
        assert not run_code


def cases() -> Iterator[tuple[int, Random]]:
    for number in range(FIRST, FIRST + COUNT):
        yield number, Random(number)


def report(kind: str, right: int, refused: int) -> None:
    """Say what came out, and refuse a test in which one side never happened."""
    print(f"{kind}: {right} right, {refused} refused")
    if right + refused >= 80:
        assert right
        assert refused


# ------------------------------------------------------------------------------ raw logs


def diginetica(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "train-item-views.csv"
    rows = [f"{n // 4};NA;{n % 6};{n * 7 % 50};2016-05-{1 + n // 12:02d}" for n in range(160)]
    path.write_text("session_id;user_id;item_id;timeframe;eventdate\n" + "\n".join(rows) + "\n")
    return (
        path,
        ["diginetica"],
        lambda raw: (
            *plain.split(plain.read_diginetica(raw), period=7 * plain.DAY),
            {},
        ),
    )


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

    return path, ["yoochoose", "--fraction", "1"], expected


def tmall_sessions(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "dataset15.csv"
    rows = [f"u\t{n % 6}\t{n // 4}\t{n * 2}.0" for n in range(160)]
    path.write_text("UserId\tItemId\tSessionId\tTime\n" + "\n".join(rows))
    return (
        path,
        ["tmall"],
        lambda raw: (
            *plain.split(plain.read_tmall_sessions(raw), period=100, longest=40),
            {},
        ),
    )


def tmall_log(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "user_log_format1.csv"
    header = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
    rows = [f"{n // 20},{n % 6},{n % 3},1,,{1101 + n // 4 % 12},0\n" for n in range(160)]
    path.write_text(header + "".join(rows))

    def expected(raw: Path) -> Any:
        log = plain.read_tmall_log(raw)
        training, test = plain.split(log, period=plain.DAY, at_cut="train", longest=40)
        return training, test, plain.frequent_categories(log, training)

    return path, ["tmall"], expected


def retailrocket(folder: Path) -> tuple[Path, list[str], Callable[[Path], Any]]:
    path = folder / "events.csv"
    rows = [f"{n // 4 * 40_000_000 + n},{n // 20},view,{n % 6},\n" for n in range(160)]
    path.write_text("timestamp,visitorid,event,itemid,transactionid\n" + "".join(rows))

    def expected(raw: Path) -> Any:
        clicks = [
            (row["visitorid"], row["itemid"], float(row["timestamp"]) / 1000, "")
            for row in plain.rows(raw)
            if row["event"] == "view"
        ]
        return *plain.split(plain.cut_users(clicks, 1800), period=7 * plain.DAY), {}

    return path, ["retailrocket"], expected


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
            log.add(session, row["item"], time, time, max(time, log.dates.get(session, time)))
        return *plain.split(log, period=plain.DAY, fraction=0.1), {}

    return path, ["csv", "--session", "sid", "--time", "when", "--item", "item"], expected


KINDS = {
    make.__name__: make
    for make in (diginetica, yoochoose, tmall_sessions, tmall_log, retailrocket, own_log)
}


@pytest.mark.parametrize("kind", KINDS)
def test_raw_logs(tmp_path: Path, kind: str) -> None:
    path, words, expected = KINDS[kind](tmp_path)
    content, right, refused = path.read_bytes(), 0, 0
    out = tmp_path / "out" / "toy"
    for number, random in cases():
        path.write_bytes(mutate(content, random))
        skip = random.random() < 0.3
        words_now = [*words, *(["--skip-bad-rows"] if skip else [])]
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        found = outcome(lambda w=words_now: main([*w, "--raw", str(path), "--out", str(out)]))
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists(), number
        elif skip:
            right += 1
            read_atomic(out)
        else:
            right += 1
            plain.write(tmp_path / "out" / "plain" / "toy", *expected(path))
            for name in ("toy.train.inter", "toy.valid.inter", "toy.test.inter", "toy.item"):
                theirs = (tmp_path / "out" / "plain" / "toy" / name).read_bytes()
                assert (out / name).read_bytes() == theirs, (number, name)
    report(kind, right, refused)


def test_packed_logs(tmp_path: Path) -> None:
    path, words, _ = diginetica(tmp_path)
    packed = gzip.compress(path.read_bytes(), mtime=0)
    main([*words, "--raw", str(path), "--out", str(tmp_path / "first" / "toy")])
    whole = (tmp_path / "first" / "toy" / "toy.json").read_bytes()
    path.unlink()
    path, right, refused = tmp_path / "train-item-views.csv.gz", 0, 0
    for number, random in cases():
        path.write_bytes(packed if number % 20 == 0 else mutate(packed, random))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        out = tmp_path / "out" / "toy"
        found = outcome(lambda o=out: main([*words, "--raw", str(path), "--out", str(o)]))
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists()
        else:
            right += 1
            assert (out / "toy.json").read_bytes() == whole, number
    report("gzip", right, refused)


# ------------------------------------------------------------------------------ pickles

ATTACKS = [
    b"cos\nsystem\n(S'true'\ntR",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R",
    b"(S'true'\nios\nsystem\n",
    b"}b",
    b"h\x00" * 50,
    b"2" * 60,
    b"\x8a\xff" + b"\x7f" * 255,
    b"]" * 300,
    b"r\xff\xff\xff\xff",
]


def published(folder: Path) -> dict[str, bytes]:
    sessions = [[1 + (n * k) % 7 for k in range(1, 4)] for n in range(1, 30)]
    rows = [(s[:k], s[k]) for s in sessions[:6] for k in (2, 1)]
    contents = {
        "all_train_seq.txt": sessions,
        "test.txt": ([prefix for prefix, _ in rows], [target for _, target in rows]),
        "category.txt": {item: 100 + item % 3 for item in range(1, 8)},
    }
    return {name: pickle.dumps(content, 2 + len(name) % 3) for name, content in contents.items()}


def test_published_pickles(tmp_path: Path) -> None:
    contents = published(tmp_path)
    (tmp_path / "raw").mkdir()
    right = refused = 0
    for number, random in cases():
        for name, content in contents.items():
            (tmp_path / "raw" / name).write_bytes(content)
        name = random.choice(sorted(contents))
        content = contents[name]
        if random.random() < 0.3:
            place = random.randrange(len(content))
            content = content[:place] + random.choice(ATTACKS) + content[place:]
        (tmp_path / "raw" / name).write_bytes(mutate(content, random))
        out = tmp_path / "out" / "toy"
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        words = ["published", "--raw", str(tmp_path / "raw"), "--out", str(out)]
        found = outcome(lambda w=words: main(w))
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists(), number
        else:
            right += 1
            read_atomic(out)
    report("pickles", right, refused)


# ------------------------------------------------------------------------------ atomic files


def rows_of(path: Path) -> list[tuple[str, str, float]]:
    """Session, item and time of every row, as a plain reader sees them."""
    lines = [line.decode().split("\t") for line in path.read_bytes().splitlines()]
    header, body = lines[0], lines[1:]
    places = [header.index(f) for f in ("session_id:token", "item_id:token", "timestamp:float")]
    return [(r[places[0]], r[places[1]], float(r[places[2]])) for r in body]


@pytest.mark.parametrize("with_manifest", [True, False])
def test_atomic_files(tmp_path: Path, with_manifest: bool) -> None:
    folder = tmp_path / "toy"
    path, words, _ = yoochoose(tmp_path)
    main([*words, "--raw", str(path), "--out", str(folder)])
    contents = {p.name: p.read_bytes() for p in folder.iterdir()}
    right = refused = 0
    for number, random in cases():
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        if not with_manifest:
            (folder / "toy.json").unlink()
        name = random.choice(sorted(p.name for p in folder.iterdir()))
        changed = contents[name] if number % 20 == 0 else mutate(contents[name], random)
        (folder / name).write_bytes(changed)
        found = outcome(lambda: read_atomic(folder))
        if isinstance(found, UserError):
            refused += 1
            continue
        right += 1
        assert not with_manifest or changed == contents[name] or name == "toy.json", number
        for split in SPLITS:
            clicks = found.splits[split]
            names = clicks.session_tokens[clicks.sessions.session_of_click].tolist()
            items = found.item_tokens[clicks.sessions.items].tolist()
            got = list(zip(names, items, clicks.timestamps.tolist(), strict=True))
            assert got == rows_of(folder / f"toy.{split}.inter"), number
    report("atomic files", right, refused)


# ------------------------------------------------------------------------------ checkpoints


def test_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    tensors = {"model": {"weight": torch.arange(12.0).view(3, 4)}, "step": torch.tensor(3)}
    save_checkpoint(path, tensors, {"epoch": 3, "name": "toy"})
    content, right, refused = path.read_bytes(), 0, 0
    for number, random in cases():
        changed = content if number % 20 == 0 else mutate(content, random)
        if random.random() < 0.2:
            changed = pickle.dumps({"format": 1, "facts": "{}", "tensors": Attack()})
        path.write_bytes(changed)
        found = outcome(lambda: load_checkpoint(path))
        refused += isinstance(found, UserError)
        right += not isinstance(found, UserError)
    report("checkpoints", right, refused)


class Attack:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("false",)
