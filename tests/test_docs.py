"""What the pages print is what the records hold, and their links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.benchmark.entries import METRICS
from recbole_a2d.records import Record

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def git(*words: str) -> str:
    """What git says; nothing where this is no checkout."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    return done.stdout


def committed(path: str) -> str:
    """A file as committed: runs and benches of one's own change the one in the folder."""
    return git("show", f"HEAD:{path}")


def committed_records() -> list[Record]:
    """Records of the last commit, but for the rankings in other orders."""
    paths = git("ls-tree", "-r", "--name-only", "HEAD", "results/records/").split()
    found = [Record(**json.loads(committed(path))) for path in paths]
    return [record for record in found if "evaluation_order" not in record.config]


RECORDS = committed_records()
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def figures(record: Record) -> list[str]:
    """Test metrics as tables print them."""
    return [f"{100 * record.test[metric]:.2f}" for metric, _ in METRICS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run)
def test_every_record_stands_in_its_table(record: Record) -> None:
    page = committed(f"docs/results/{record.dataset}.md").replace("**", "")
    cells = [[cell.strip(" ▲▼") for cell in line.split("|")] for line in page.splitlines()]
    assert any(set(figures(record)) <= set(row) for row in cells), figures(record)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run)
def test_every_record_has_its_ranks(record: Record) -> None:
    assert (ROOT / "results" / "ranks" / f"{record.run}.npz").is_file()


def test_readme_prints_the_model_as_recorded() -> None:
    if not RECORDS:
        pytest.skip("no git checkout: nobody knows which records are the project's")
    told = committed("README.md").replace("**", "")
    (row,) = (line for line in told.splitlines() if line.startswith("| A2D-MTL here"))
    assert set(row.split("|")[2:5]) <= {f" {' / '.join(figures(record))} " for record in RECORDS}


def bench_figures(name: str) -> list[dict[str, Any]]:
    """Figures of one run of ``make bench``."""
    figures: list[dict[str, Any]] = json.loads(committed(f"results/{name}.json"))["figures"]
    return figures


def bench_rows() -> Iterator[str]:
    """Rows of the speed page that ``make bench`` and ``benchmarks.models`` print."""
    if not RECORDS:
        return
    of_processors = zip(*map(bench_figures, ("bench", "bench-float32")), strict=True)
    for figure, in_float32 in of_processors:
        yield f"| {figure['name']} | {figure['value']:.2f} | {in_float32['value']:.2f} |"
    for line in json.loads(committed("results/bench-models.json"))["models"]:
        yield f"| {line['model']} | {1000 * line['step']:.0f} | {line['ratio']:.2f} |"


@pytest.mark.parametrize("row", bench_rows())
def test_the_speed_page_prints_the_last_bench(row: str) -> None:
    assert row in committed("docs/performance.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
