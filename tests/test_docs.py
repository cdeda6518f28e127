"""What the pages print is what the records hold, and their links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.benchmark.entries import METRICS, Entry
from recbole_a2d.benchmark.groups import Group, Scale, comparable
from recbole_a2d.benchmark.leak_table import audits
from recbole_a2d.benchmark.sweep import swept, weight_of
from recbole_a2d.records import Record
from recbole_a2d.yaml_files import read_yaml

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
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")


def figures(entry: Entry) -> list[str]:
    """Test metrics as tables print them, means over the seeds."""
    return [f"{100 * entry.mean(metric):.2f}" for metric, _ in METRICS]


def rows_of(page: str) -> list[list[str]]:
    """Cells of the lines of a committed page's tables, without marks and deviations."""
    lines = committed(page).replace("**", "").splitlines()
    return [
        [cell.split(" ± ")[0].strip(" ▲▼") for cell in line.strip(" |").split(" | ")]
        for line in lines
        if line.lstrip().startswith("|")
    ]


@cache
def groups() -> list[Group]:
    """All committed records in order."""
    return comparable(RECORDS)


def entry_of(record: Record) -> tuple[Group, Entry]:
    """The entry that a record stands in, and its group."""
    return next((g, e) for g in groups() for e in g.entries if record in e.records)


def leak_row(group: Group, record: Record) -> str:
    """The row of a leak audit that holds a record, if one does."""
    settings = [setting for audit in audits(group) for setting in audit.settings]
    found = [s.name for s in settings if any(record in e.records for e in s.entries.values())]
    return found[0] if found else ""


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run)
def test_every_record_stands_in_its_table(record: Record) -> None:
    rows = rows_of(f"docs/results/{record.dataset}.md")
    group, entry = entry_of(record)
    if entry in group.results:
        assert [entry.label, *figures(entry)] in [row[:3] for row in rows]
    elif entry in swept(group):
        assert [f"{weight_of(entry):g}", *figures(entry)] in [row[:3] for row in rows]
    else:
        of_setting = [row for row in rows if row[0] == leak_row(group, record)]
        assert any(set(figures(entry)) <= set(row) for row in of_setting)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.run)
def test_every_record_has_its_ranks(record: Record) -> None:
    assert (ROOT / "results" / "ranks" / f"{record.run}.npz").is_file()


def told_of(dataset: str, label: str) -> str:
    """Figures of a row of the whole data set, clean, as README and findings print them."""
    found = [
        figures(entry)
        for group in groups()
        for entry in group.entries
        if (group.dataset, entry.label) == (dataset, label)
        and group.clean
        and group.scale == Scale("cpu")
    ]
    return " / ".join(found[0]) if found else "not run"


DATASETS = {"Diginetica": "diginetica", "Tmall": "tmall", "Yoochoose 1/64": "yoochoose1_64"}
WITH_OPTIONS = (
    "A2D-MTL with memory and categories scored",
    "A2D-MTL with memory and categories scored memory_learns=first_epoch",
    "A2D-MTL with memory memory_rules=last_two softmax_over=new",
)
CHOSEN = (
    f"{WITH_OPTIONS[0]} time_order=0.75 trend_slices=20",
    f"{WITH_OPTIONS[1]} time_order=0.75",
    "A2D-MTL with chosen options",
)
"""The records that ``--variant chosen`` leads to."""
README_ROWS = {
    "A2D-MTL here": ["A2D-MTL"] * 3,
    "the paper's model alone, `--variant faithful`": ["A2D-MTL faithful"] * 3,
    "the same `--variant with_memory`": ["A2D-MTL with memory"] * 3,
    "the same `--variant chosen`": CHOSEN,
    "... in random order, without recent clicks": WITH_OPTIONS,
}
"""Rows of README's table, and the row of each data set's own table that they print."""


def readme_cells() -> Iterator[tuple[str, str, str]]:
    """Data set, row of its table and what README prints of it."""
    rows = rows_of("README.md") if RECORDS else []
    for row in rows:
        if row[0] in README_ROWS:
            yield from zip(DATASETS.values(), README_ROWS[row[0]], row[1:4], strict=True)
        elif row[0].startswith("best rivals"):
            for dataset, cell in zip(DATASETS.values(), row[1:4], strict=True):
                for rival in cell.split(", "):
                    label, hit, _, mrr = rival.rsplit(" ", 3)
                    yield dataset, label, f"{hit} / {mrr}"


def findings_cells() -> Iterator[tuple[str, str, str]]:
    """The same of the tables that set rivals beside the paper's figures in findings.md."""
    dataset = ""
    for row in rows_of("docs/findings.md") if RECORDS else []:
        if len(row) == 3 and row[1:] == ["here", "paper"]:
            dataset = DATASETS.get(row[0], "")
        elif len(row) != 3 or "/" not in row[1]:
            dataset = dataset if row[0].startswith("---") else ""
        elif dataset:
            yield dataset, row[0], row[1]


@pytest.mark.parametrize(("dataset", "label", "told"), [*readme_cells(), *findings_cells()])
def test_pages_print_what_was_recorded(dataset: str, label: str, told: str) -> None:
    of_recbole = told_of(dataset, f"{label} (RecBole)")
    assert told == (told_of(dataset, label) if of_recbole == "not run" else of_recbole)


def test_both_pages_are_compared() -> None:
    if not RECORDS:
        pytest.skip("no git checkout: nobody knows which records are the project's")
    assert len(list(readme_cells())) >= 3 * len(README_ROWS) + 3
    assert len(list(findings_cells())) >= 20


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


def test_the_speed_page_tells_what_makes_each_table() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    intro, *sections = page.split("\n## ")
    titles = {section.partition("\n")[0] for section in sections if "| ---" in section}
    rows = re.findall(r"^\| ([^|]+) \| ", intro, flags=re.MULTILINE)
    assert titles - {"What was tried"} <= set(", ".join(rows).split(", "))
    for module in re.findall(r"`python -m benchmarks\.(\w+)`", intro):
        assert (ROOT / "benchmarks" / f"{module}.py").is_file()


def links(page: Path) -> list[tuple[Path, str]]:
    """Files that a page links, itself among them, and the headings in them, "" for the whole."""
    found = [link for link in LINK.findall(page.read_text()) if "://" not in link[0]]
    return [(page.parent / name if name else page, heading) for name, heading in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [file for file, _ in links(page) if not file.exists()] == []


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings(page: Path) -> None:
    to_headings = [(file, heading) for file, heading in links(page) if heading]
    assert [link for link in to_headings if link[1] not in anchors(link[0])] == []


def test_options_are_linked_by_their_headings() -> None:
    assert sum(heading != "" for _, heading in links(ROOT / "docs" / "options.md")) >= 8


def above_the_paper(metric: int) -> list[int]:
    """Rows of the paper's Table 2 that the best method without training is above, a data set."""
    printed = read_yaml(ROOT / "properties" / "paper" / "table2.yaml")
    counts = []
    for dataset in DATASETS.values():
        counted = [r for r in RECORDS if r.dataset == dataset and r.epochs == 0]
        best = max(100 * record.test[METRICS[metric][0]] for record in counted)
        counts.append(sum(best > row[dataset][metric] for row in printed.values()))
    return counts


def test_findings_count_the_cells_below_methods_without_training() -> None:
    if not RECORDS:
        pytest.skip("no git checkout: nobody knows which records are the project's")
    assert [above_the_paper(metric) for metric in (0, 1)] == [[3, 11, 3], [4, 11, 2]]
    told = " ".join(committed("docs/findings.md").split())
    assert "above 17 of the 33 printed cells in P@20 and 17 in MRR@20: all eleven rows of" in told
    assert "three and four of Diginetica, three and two of Yoochoose" in told
