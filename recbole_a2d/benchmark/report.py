"""``report``: one self-contained page of a results folder, and its Markdown twin."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.details import details_tables, group_facts
from recbole_a2d.benchmark.figures.attention import attention
from recbole_a2d.benchmark.figures.leak import leak_plots
from recbole_a2d.benchmark.figures.learning import learning_curves
from recbole_a2d.benchmark.figures.ranks import rank_plots
from recbole_a2d.benchmark.figures.style import Plot
from recbole_a2d.benchmark.figures.time_accuracy import time_against_accuracy
from recbole_a2d.benchmark.figures.trends import trends
from recbole_a2d.benchmark.figures.weight import category_weight
from recbole_a2d.benchmark.groups import Group, comparable
from recbole_a2d.benchmark.layout import Link
from recbole_a2d.benchmark.leak_table import read_label_shares
from recbole_a2d.benchmark.page import Block, Part, markdown_page, report_page
from recbole_a2d.benchmark.side_by_side import (
    clean_groups,
    main_groups,
    scales,
    side_by_side,
    table2_rows,
    table3_groups,
    table3_rows,
)
from recbole_a2d.command_line import refuse_options, split_pairs
from recbole_a2d.errors import UserError
from recbole_a2d.html_page import write_text
from recbole_a2d.records import record_path, some_records
from recbole_a2d.safe_write import require_writable

HELP = """usage: run_recbole_a2d.py report [--results DIR] [--out FILE] [--data_path DIR]

Writes one HTML page (default RESULTS/report.html) that needs no network, and its Markdown twin
beside it: Table 2 and Table 3 beside the paper's figures, Figure 3, the leak audit, and for every
data set differences with intervals, learning curves, time against accuracy, ranks by prefix
length and popularity, attention, trends. Every figure links to its record.

  --results DIR     records and ranks (default: results)
  --out FILE        the page; its twin has the same name and ends in .md
  --data_path DIR   data sets (default: dataset_atomic); read where the folder of results has no
                    rows/ of a data set yet"""

TITLE = "Session-based recommendation: results"


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    given = dict(split_pairs(arguments, frozenset({"help"})))
    if "help" in given:
        print(HELP)
        return
    folder = Path(given.pop("results", "results"))
    out = Path(given.pop("out", folder / "report.html"))
    data_path = Path(given.pop("data_path", "dataset_atomic"))
    refuse_options(given, "report")
    print(f"report: {write_report(folder, out, data_path)}")


def write_report(folder: Path, out: Path, data_path: Path = Path("dataset_atomic")) -> Path:
    """Make the page of a results folder and, beside it, ``.md`` with the same.

    Args:
        folder: results folder.
        out: the HTML file; its links to records go from its folder to the results folder.
        data_path: folder of the data sets, for what ``results/rows`` does not hold yet.

    Raises:
        UserError: there are no records, one cannot be read, or ``out`` cannot be written.
    """
    twin = _twin(out)
    records = some_records(folder)
    require_writable(out.parent, "--out FILE")
    statistics = Statistics(folder, data_path)
    groups = comparable(records)
    parts = [*paper_parts(groups, statistics), *dataset_parts(groups, statistics)]
    intro, file_of = _intro(groups, len(records)), _links(folder, out)
    write_text(out, report_page(TITLE, intro, parts, records, file_of))
    write_text(twin, markdown_page(TITLE, intro, parts, file_of))
    return out


def _twin(out: Path) -> Path:
    """Where the Markdown goes; UserError where either page would take another's place."""
    twin = out.with_suffix(".md") if out.name else out
    for path in (out, twin):
        if path.is_dir():
            raise UserError(f"--out {out}: {path} is a folder; name a file, as in DIR/report.html")
    if out.suffix.lower() == twin.suffix:
        raise UserError(f"--out {out}: that is the name of its Markdown twin; name an HTML file")
    return twin


def _links(folder: Path, out: Path) -> Link:
    """From a run to its record's file as seen from the page, fit for a link."""

    def file_of(run: str) -> str:
        record = record_path(folder.resolve(), run)
        return quote(Path(os.path.relpath(record, out.parent.resolve())).as_posix())

    return file_of


def paper_parts(groups: Sequence[Group], statistics: Statistics) -> list[Part]:
    """Table 2 of whole runs; Table 3, Figure 3 and the leak audit at every scale they ran at."""
    table2, table3 = Part("Table 2: models", 2), Part("Table 3: parts of A2D-MTL", 2)
    figure3 = Part("Figure 3: weight of the category task", 2, contents_title="Figure 3: lambda")
    audit = Part("Leak audit", 2)
    for scale in scales(groups):
        here, title = clean_groups(groups, scale), scale.title.capitalize()
        if scale.whole:
            chosen = main_groups(groups, scale)
            table2.blocks.append(side_by_side(title, table2_rows(), chosen, statistics, "table2"))
        if ablated := table3_groups(groups, scale):
            table3.blocks.append(side_by_side(title, table3_rows(), ablated, statistics, "table3"))
        figure3.blocks += _present([category_weight(title, here)])
        audit.blocks += [plot for group in here for plot in _audits(group, statistics)]
    parts = [table2, table3, figure3, audit]
    for part, suite in zip(parts, ("table2", "table3", "figure3", "leak"), strict=True):
        part.blocks = part.blocks or [_not_run(suite)]
    return parts


def dataset_parts(groups: Sequence[Group], statistics: Statistics) -> Iterator[Part]:
    """A section a data set, a subsection for each of its groups."""
    for dataset in sorted({group.dataset for group in groups}):
        yield Part(f"Data set {dataset}", 2, contents_title=dataset)
        for group in groups:
            if group.dataset == dataset:
                yield Part(_group_title(group), 3, _group_blocks(group, statistics), _short(group))


def _group_blocks(group: Group, statistics: Statistics) -> list[Block]:
    plots = [time_against_accuracy(group), learning_curves(group)]
    plots += [*rank_plots(group, statistics), attention(group), trends(group)]
    return [group_facts(group), *details_tables(group, statistics), *_present(plots)]


def _audits(group: Group, statistics: Statistics) -> list[Plot]:
    shares = read_label_shares(statistics.results, group.dataset, group.fingerprint)
    return leak_plots(group, shares)


def _present(plots: Sequence[Plot | None]) -> list[Block]:
    return [plot for plot in plots if plot is not None]


def _not_run(suite: str) -> str:
    command = f"python run_recbole_a2d.py benchmark {suite} --dataset NAME"
    sessions = " on all training sessions" if suite == "table2" else ""
    return f"Not run under protocol clean{sessions} yet: {command}"


def _group_title(group: Group) -> str:
    protocol, scale = group.protocol, group.scale.title
    return f"{group.dataset}: protocol {protocol}, {scale} ({group.fingerprint[:8]})"


def _short(group: Group) -> str:
    return f"{group.protocol}, {group.scale.title.removeprefix('preset ')}"


def _intro(groups: Sequence[Group], count: int) -> str:
    datasets = sorted({group.dataset for group in groups})
    return (
        f"{count} records on {', '.join(datasets)}. Next-click prediction, full ranking over all "
        "training items, ties counted against the model; P@20 is the share of test rows whose "
        "target is among the first 20, MRR@20 the mean reciprocal rank. Click a figure or a point "
        "for its record. Figures of the paper stand in columns of their own and are never mixed "
        "with ours."
    )
