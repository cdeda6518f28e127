"""``table``: the records of a results folder side by side, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.details import details_tables, group_facts
from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.groups import Group, comparable
from recbole_a2d.benchmark.layout import Table, to_markdown
from recbole_a2d.benchmark.leak_table import audits, leak_table, read_label_shares
from recbole_a2d.benchmark.side_by_side import (
    main_groups,
    scales,
    side_by_side,
    table2_rows,
    table3_groups,
    table3_rows,
)
from recbole_a2d.command_line import refuse_options, split_pairs
from recbole_a2d.errors import UserError
from recbole_a2d.records import Record, some_records

__all__ = ["comparable", "main", "markdown_table", "paper_tables"]

HELP = """usage: run_recbole_a2d.py table [--results DIR] [--dataset NAME] [--data_path DIR]
                                  [--reference ROW]

Prints, as Markdown, Table 2 and Table 3 beside the paper's figures, then a table for every
group of records that may be compared: same data, protocol, preset. Differences carry intervals
and marks of significance, session by session. What has no record is printed as missing. Runs on a
share of the training sessions, Figure 3 and the leak audit have tables of their own.

  --results DIR     records and ranks (default: results)
  --dataset NAME    its records alone (default: all)
  --data_path DIR   data sets (default: dataset_atomic); read where the folder of results has no
                    rows/ of a data set yet
  --reference ROW   compare all rows with this one instead of A2D-MTL, by its name in the tables:
                    --reference "A2D-MTL with memory"; only the tables of groups that have it"""


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    given = dict(split_pairs(arguments, frozenset({"help"})))
    if "help" in given:
        print(HELP)
        return
    folder, dataset = Path(given.pop("results", "results")), given.pop("dataset", None)
    statistics = Statistics(folder, Path(given.pop("data_path", "dataset_atomic")))
    reference = given.pop("reference", None)
    refuse_options(given, "table")
    records = _records(folder, dataset)
    groups = comparable(records)
    if reference is not None:
        print("\n\n".join(_against(reference, groups, statistics)))
        return
    parts = [to_markdown(table) for table in paper_tables(groups, statistics)]
    for group in groups:
        parts.append(markdown_table(group, statistics))
        parts += [to_markdown(table) for table in audit_tables(group, folder)]
    print("\n\n".join(parts))


def _records(folder: Path, dataset: str | None) -> list[Record]:
    every = some_records(folder)
    chosen = [record for record in every if dataset in (None, record.dataset)]
    if not chosen:
        known = ", ".join(sorted({record.dataset for record in every}))
        raise UserError(f"{folder}/records has none of '{dataset}'; there are: {known}")
    return chosen


def _against(label: str, groups: Sequence[Group], statistics: Statistics) -> list[str]:
    """The groups that have this row, compared with it."""
    found = [(group, entry) for group in groups for entry in group.results if entry.label == label]
    if not found:
        known = sorted({entry.label for group in groups for entry in group.results})
        raise UserError(f"no row is named '{label}'; there are: {', '.join(known)}")
    return [markdown_table(group, statistics, entry) for group, entry in found]


def markdown_table(
    group: Group, statistics: Statistics | None = None, reference: Entry | None = None
) -> str:
    """All results of a group as Markdown, best MRR@20 first; figures in per cent.

    Differences are those from ``reference``, or from A2D-MTL.
    """
    tables = [to_markdown(table) for table in details_tables(group, statistics, reference)]
    return "\n\n".join([f"**{group.dataset}**: {group_facts(group)}", *tables])


def paper_tables(groups: Sequence[Group], statistics: Statistics | None) -> list[Table]:
    """Table 2 of whole runs and, at every scale where an ablation was run, Table 3."""
    tables = []
    for scale in scales(groups):
        if scale.whole:
            caption, chosen = f"Table 2, {scale.title}: models", main_groups(groups, scale)
            tables.append(side_by_side(caption, table2_rows(), chosen, statistics, "table2"))
        if ablated := table3_groups(groups, scale):
            caption = f"Table 3, {scale.title}: parts of A2D-MTL"
            tables.append(side_by_side(caption, table3_rows(), ablated, statistics, "table3"))
    return tables


def audit_tables(group: Group, folder: Path) -> list[Table]:
    """The leak audits of a group, where there are any."""
    found = audits(group) if group.clean else []
    if not found:
        return []
    shares = read_label_shares(folder, group.dataset, group.fingerprint)
    return [leak_table(audit.settings, shares, audit.title) for audit in found]
