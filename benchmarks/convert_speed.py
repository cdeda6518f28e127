"""Conversion against a plain csv-and-dict converter: same log, same bytes, which is faster?

``python -m benchmarks.convert_speed`` makes a log of a tenth of the real rows, runs each side in a
process of its own, compares what they wrote, and prints seconds, peak memory and the ratio.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from benchmarks.plain_converter import CONVERTERS
from benchmarks.raw_logs import FILES, MAKERS, write_log
from recbole_a2d.convert import main as convert


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, seconds of processor, peak GiB."""

    clock: float
    processor: float
    memory: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} s ({self.processor:.1f} s of processor, {self.memory:.2f} GiB)"


def measure(work: Callable[[], object]) -> Cost:
    """Cost of some work in a child process of its own."""
    sys.stdout.flush()
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        _work_and_leave(work)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit("the conversion failed, see above")
    clock = time.perf_counter() - start
    return Cost(clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / (1 << 20))


def _work_and_leave(work: Callable[[], object]) -> NoReturn:
    """End this process with the work, and say what went wrong with it."""
    status = 1
    try:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)  # whatever the parent has open and planned is not the child's


def same_files(ours: Path, plain: Path) -> bool:
    """Whether every file of the plain side has the same bytes on ours."""
    names = sorted(path.name for path in plain.iterdir())
    return bool(names) and all(
        (ours / name).read_bytes() == (plain / name).read_bytes() for name in names
    )


def compare(kind: str, share: float) -> None:
    """Print both sides and their ratio for one kind of log."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure(lambda: write_log(kind, folder / "raw", share))  # not in this process's memory
        raw = folder / "raw" / FILES[kind]
        ours, plain = folder / "ours" / kind, folder / "plain" / kind
        words = [kind, "--raw", str(raw), "--out", str(ours)]
        fast = measure(lambda: convert(words))
        slow = measure(lambda: CONVERTERS[kind](raw, plain))
        same = same_files(ours, plain)
        print(
            f"{kind}, {share:g} of the real rows: {fast}; plain {slow}; "
            f"{slow.clock / fast.clock:.1f} times faster "
            f"({slow.processor / fast.processor:.1f} by processor), "
            f"{'identical files' if same else 'DIFFERENT FILES'}"
        )
        if not same:
            raise SystemExit(1)


def main() -> None:
    """Parse the command line and compare."""
    parser = argparse.ArgumentParser(description="Speed of convert against a plain converter.")
    parser.add_argument("--share", type=float, default=0.1, help="of the real rows (default: 0.1)")
    parser.add_argument("--kinds", nargs="+", choices=sorted(MAKERS), default=sorted(MAKERS))
    args = parser.parse_args()
    for kind in args.kinds:
        compare(kind, args.share)


if __name__ == "__main__":
    main()
