"""Mutated files of every kind: a correct data set or one clear error, nothing else.

``FUZZ_COUNT=10000 python -m pytest tests/fuzz`` runs as many cases a kind (default: 80). Case
``n`` depends on ``n`` alone, so that a failure can be run again by its number, and a long run cut
into parts: ``FUZZ_FIRST=n``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

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


@pytest.fixture(scope="session", autouse=True)
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


class Fuzz:
    """What the tests of this folder share."""

    cases = staticmethod(cases)
    mutate = staticmethod(mutate)
    outcome = staticmethod(outcome)
    report = staticmethod(report)


@pytest.fixture
def fuzz() -> type[Fuzz]:
    return Fuzz
