"""What the pages print is what the records hold, and their links lead somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recbole_a2d.benchmark.entries import METRICS
from recbole_a2d.records import Record, read_records

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
RECORDS = [r for r in read_records(ROOT / "results") if "evaluation_order" not in r.config]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def figures(record: Record) -> list[str]:
    """Test metrics as tables print them."""
    return [f"{100 * record.test[metric]:.2f}" for metric, _ in METRICS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run)
def test_every_record_stands_in_its_table(record: Record) -> None:
    page = (ROOT / "docs" / "results" / f"{record.dataset}.md").read_text().replace("**", "")
    cells = [[cell.strip(" ▲▼") for cell in line.split("|")] for line in page.splitlines()]
    assert any(set(figures(record)) <= set(row) for row in cells), figures(record)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run)
def test_every_record_has_its_ranks(record: Record) -> None:
    assert (ROOT / "results" / "ranks" / f"{record.run}.npz").is_file()


def test_readme_prints_the_model_as_recorded() -> None:
    told = (ROOT / "README.md").read_text().replace("**", "")
    (row,) = (line for line in told.splitlines() if line.startswith("| A2D-MTL here"))
    assert set(row.split("|")[2:5]) <= {f" {' / '.join(figures(record))} " for record in RECORDS}


def bench_rows() -> Iterator[str]:
    """Rows of the speed page that ``make bench`` and ``benchmarks.models`` print."""
    for figure in json.loads((ROOT / "results" / "bench.json").read_text())["figures"]:
        yield f"| {figure['name']} | {figure['value']:.2f} |"
    for line in json.loads((ROOT / "results" / "bench-models.json").read_text())["models"]:
        yield f"| {line['model']} | {1000 * line['step']:.0f} | {line['ratio']:.2f} |"


@pytest.mark.parametrize("row", bench_rows())
def test_the_speed_page_prints_the_last_bench(row: str) -> None:
    assert row in (ROOT / "docs" / "performance.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
