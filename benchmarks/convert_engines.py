"""The conversion by this package, by polars and by duckdb: same log, same bytes, which costs less?

``python -m benchmarks.convert_engines`` makes a log of a tenth of the real rows and lets each
engine read it, apply the rules and write the data set, in a process of its own; it stops where two
of them write different files. polars and duckdb
are not needed by the package: ``pip install polars duckdb`` first, what is missing is left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shutil
import tempfile
from pathlib import Path

from benchmarks.convert_speed import Cost, measure, same_files
from benchmarks.log_rules import LOG_RULES
from benchmarks.raw_logs import FILES, MAKERS, write_log
from recbole_a2d.convert import main as convert

OURS = "convert"
OTHERS = ("polars", "duckdb")


def run(engine: str, kind: str, raw: Path, folder: Path) -> None:
    """Convert with one engine; ours checks every row and hashes what it wrote, too."""
    if engine == OURS:
        convert([kind, "--raw", str(raw), "--out", str(folder), *LOG_RULES[kind].options])
    else:
        importlib.import_module(f"benchmarks.{engine}_converter").convert(kind, raw, folder)


def installed_engines() -> list[str]:
    """Names of the engines that are there; says which are not."""
    missing = [name for name in OTHERS if importlib.util.find_spec(name) is None]
    for name in missing:
        print(f"{name} is left out: it is not installed (pip install {name})")
    return [OURS, *(name for name in OTHERS if name not in missing)]


def compare(kind: str, share: float, repeats: int, engines: list[str]) -> None:
    """Print the cost of each engine for one kind of log, the fastest run of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure(lambda: write_log(kind, folder, share))
        raw = folder / FILES[kind]
        for engine in engines:
            costs = [measured(engine, kind, raw, folder / engine / kind) for _ in range(repeats)]
            print(f"{kind}, {share:g} of the real rows, {engine}: {min(costs, key=_clock)}")
            if not same_files(folder / OURS / kind, folder / engine / kind):
                raise SystemExit(f"{engine} wrote other files than {OURS}")


def measured(engine: str, kind: str, raw: Path, folder: Path) -> Cost:
    """Cost of one engine in a process of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    return measure(lambda: run(engine, kind, raw, folder))


def _clock(cost: Cost) -> float:
    return cost.clock


def main() -> None:
    """Parse the command line and compare."""
    parser = argparse.ArgumentParser(description="The conversion by this package and by others.")
    parser.add_argument("--share", type=float, default=0.1, help="of the real rows (default: 0.1)")
    parser.add_argument("--kinds", nargs="+", choices=sorted(MAKERS), default=sorted(MAKERS))
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts (default: 3)")
    args = parser.parse_args()
    engines = installed_engines()
    for kind in args.kinds:
        compare(kind, args.share, args.repeats, engines)


if __name__ == "__main__":
    main()
