"""``table``: the records of a results folder side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recbole_a2d.command_line import split_pairs
from recbole_a2d.errors import UserError
from recbole_a2d.records import Record, read_records
from recbole_a2d.registry import title

HELP = """usage: run_recbole_a2d.py table [--results DIR] [--dataset NAME]

Prints a markdown table for every group of records that may be compared: same data set and
fingerprint, same preset, same protocol. Best figure of a column in bold."""

METRICS = (("hit@20", "P@20"), ("mrr@20", "MRR@20"), ("ndcg@20", "NDCG@20"))


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    given = dict(split_pairs(arguments, frozenset({"help"})))
    if "help" in given:
        print(HELP)
        return
    folder, dataset = Path(given.pop("results", "results")), given.pop("dataset", None)
    if given:
        raise UserError(f"unknown option --{next(iter(given))}; table --help lists them")
    records = [r for r in read_records(folder) if dataset in (None, r.dataset)]
    if not records:
        raise UserError(f"no records in {folder}/records; run a model first")
    print("\n\n".join(markdown_table(group) for group in comparable(records)))


def comparable(records: Iterable[Record]) -> list[list[Record]]:
    """Records in groups that share data, preset, protocol and share of the training data."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        fraction = str(record.config.get("train_fraction", 1.0))
        key = (record.dataset, record.data_fingerprint, record.protocol, record.preset, fraction)
        groups.setdefault(key, []).append(record)
    return [groups[key] for key in sorted(groups)]


def markdown_table(records: list[Record]) -> str:
    """A table of comparable records, best MRR@20 first; figures in per cent."""
    first = records[0]
    commits = ", ".join(sorted({record.commit or "?" for record in records}))
    lines = [
        f"**{first.dataset}**: {first.train_rows:,} training rows, {first.test_rows:,} test rows, "
        f"{first.items:,} items, {first.categories:,} categories. Protocol {first.protocol}, "
        f"preset {first.preset}, commit {commits}.",
        "",
        "| model | " + " | ".join(label for _, label in METRICS) + " | epochs | seconds | seed |",
        "| --- |" + " ---: |" * (len(METRICS) + 3),
    ]
    best = {name: max(record.test[name] for record in records) for name, _ in METRICS}
    for record in sorted(records, key=lambda record: -record.test["mrr@20"]):
        figures = [_figure(record.test[name], best[name]) for name, _ in METRICS]
        cells = [identifier(record), *figures, str(record.epochs), f"{record.seconds:.0f}"]
        lines.append("| " + " | ".join([*cells, str(record.seed)]) + " |")
    return "\n".join(lines)


def identifier(record: Record) -> str:
    """What tables and plots call a record's model."""
    name = title(record.model)
    return name if record.variant == "full" else f"{name} {record.variant}"


def _figure(value: float, best: float) -> str:
    text = f"{100 * value:.2f}"
    return f"**{text}**" if value == best else text
