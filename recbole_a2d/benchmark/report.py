"""``report``: one self-contained page of a results folder, and its Markdown twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.details import details_tables, group_facts
from recbole_a2d.benchmark.entries import Group, comparable
from recbole_a2d.benchmark.figures.attention import attention
from recbole_a2d.benchmark.figures.leak import leak_audit
from recbole_a2d.benchmark.figures.learning import learning_curves
from recbole_a2d.benchmark.figures.ranks import rank_plots
from recbole_a2d.benchmark.figures.style import Plot
from recbole_a2d.benchmark.figures.time_accuracy import time_against_accuracy
from recbole_a2d.benchmark.figures.weight import category_weight
from recbole_a2d.benchmark.leak_table import read_label_shares
from recbole_a2d.benchmark.page import Block, Part, html_page, markdown_page
from recbole_a2d.benchmark.side_by_side import (
    has_ablations,
    main_groups,
    scales,
    side_by_side,
    table2_rows,
    table3_rows,
)
from recbole_a2d.command_line import refuse_options, split_pairs
from recbole_a2d.records import some_records
from recbole_a2d.safe_write import replaced_file

HELP = """usage: run_recbole_a2d.py report [--results DIR] [--out FILE] [--data_path DIR]

Writes one HTML page (default RESULTS/report.html) that needs no network, and its Markdown twin
beside it: Table 2 and Table 3 beside the paper's figures, Figure 3, the leak audit, and for every
data set differences with intervals, learning curves, time against accuracy, ranks by prefix
length and popularity, attention. Every figure links to its record."""

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
        out: the HTML file; links to records go to ``records/`` beside it.
        data_path: folder of the data sets, for what ``results/rows`` does not hold yet.

    Raises:
        UserError: there are no records, or one cannot be read.
    """
    records = some_records(folder)
    statistics = Statistics(folder, data_path)
    groups = comparable(records)
    parts = [*paper_parts(groups, statistics), *dataset_parts(groups, statistics)]
    intro = _intro(groups, len(records))
    _write(out, html_page(TITLE, intro, parts, records))
    _write(out.with_suffix(".md"), markdown_page(TITLE, intro, parts))
    return out


def paper_parts(groups: Sequence[Group], statistics: Statistics) -> list[Part]:
    """Table 2 of whole runs; Table 3, Figure 3 and the leak audit at every scale they ran at."""
    table2, table3 = Part("Table 2: models", 2), Part("Table 3: parts of A2D-MTL", 2)
    figure3 = Part("Figure 3: weight of the category task", 2, contents_title="Figure 3: lambda")
    audit = Part("Leak audit", 2)
    for scale in scales(groups):
        here, title = main_groups(groups, scale), scale.title.capitalize()
        if scale.whole:
            table2.blocks.append(side_by_side(title, table2_rows(), here, statistics, "table2"))
        if has_ablations(here):
            table3.blocks.append(side_by_side(title, table3_rows(), here, statistics, "table3"))
        figure3.blocks += _present([category_weight(title, here)])
        audit.blocks += _present([_audit(group, statistics) for group in here])
    for part, suite in ((table3, "table3"), (figure3, "figure3"), (audit, "leak")):
        part.blocks = part.blocks or [_not_run(suite)]
    return [table2, table3, figure3, audit]


def dataset_parts(groups: Sequence[Group], statistics: Statistics) -> Iterator[Part]:
    """A section a data set, a subsection for each of its groups."""
    for dataset in sorted({group.dataset for group in groups}):
        yield Part(f"Data set {dataset}", 2, contents_title=dataset)
        for group in groups:
            if group.dataset == dataset:
                yield Part(_group_title(group), 3, _group_blocks(group, statistics), _short(group))


def _group_blocks(group: Group, statistics: Statistics) -> list[Block]:
    plots = [time_against_accuracy(group), learning_curves(group)]
    plots += [*rank_plots(group, statistics), attention(group)]
    return [group_facts(group), *details_tables(group, statistics), *_present(plots)]


def _audit(group: Group, statistics: Statistics) -> Plot | None:
    shares = read_label_shares(statistics.results, group.dataset, group.fingerprint)
    return leak_audit(group, shares)


def _present(plots: Sequence[Plot | None]) -> list[Block]:
    return [plot for plot in plots if plot is not None]


def _not_run(suite: str) -> str:
    return f"No records yet: python run_recbole_a2d.py benchmark {suite} --dataset NAME"


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


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as beside:
        beside.write_text(text, encoding="utf-8")
