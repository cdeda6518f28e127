"""Everything a group of comparable entries has to say, one entry a row."""

from __future__ import annotations

from dataclasses import replace

from recbole_a2d.benchmark.comparison import Statistics, Verdict, Verdicts, reference_of
from recbole_a2d.benchmark.entries import METRICS, Entry
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import NOTHING, Table, Value, signed
from recbole_a2d.benchmark.plan import duration
from recbole_a2d.benchmark.returns import returns_table
from recbole_a2d.benchmark.side_by_side import figure
from recbole_a2d.benchmark.sweep import swept, weight_of

SHOWN = (*METRICS, ("ndcg@20", "NDCG@20"))


def group_facts(group: Group) -> str:
    """One sentence on what the entries share."""
    first = group.first
    return (
        f"{first.train_rows:,} training rows, {first.test_rows:,} test rows, {first.items:,} "
        f"items, {first.categories:,} categories. Protocol {group.protocol}, {group.scale.title}, "
        f"commits {group.commits}."
    )


def details_tables(
    group: Group, statistics: Statistics | None = None, reference: Entry | None = None
) -> list[Table]:
    """The models of a group, its ablations and its values of lambda where there are any, and the
    models on either kind of rows; best MRR@20 first. No tables where there are no results.

    Args:
        group: entries that may be compared.
        statistics: for differences with their intervals and for the kinds of rows; None leaves
            them out.
        reference: what the others are compared with; None: A2D-MTL, else the best MRR@20.
    """
    reference = reference or reference_of(group)
    if reference is None:
        return []
    found = [("", group.models), ("Parts of A2D-MTL", group.ablations)]
    tables = [
        _details(title, group, entries, statistics, reference)
        for title, entries in found
        if entries
    ]
    if values := swept(group):
        title, measure = "Figure 3: weight of the category task", _among(values, reference)
        tables.append(_of_weights(_details(title, group, values, statistics, measure), values))
    returns = None if statistics is None else returns_table(group, statistics)
    return tables if returns is None else [*tables, returns]


def _among(entries: list[Entry], reference: Entry) -> Entry:
    """The reference with the seeds that it has among these entries, where it is one of them."""
    return next((one for one in entries if one.identity == reference.identity), reference)


def _details(
    title: str,
    group: Group,
    entries: list[Entry],
    statistics: Statistics | None,
    reference: Entry,
) -> Table:
    verdicts = {} if statistics is None else statistics.compare(group, entries, reference)
    best = {metric: max(entry.mean(metric) for entry in entries) for metric, _ in SHOWN}
    rows = [_row(entry, best, verdicts) for entry in entries]
    differences = [head for _, label in METRICS for head in (f"Δ {label}", "p")] * bool(verdicts)
    heads = ["model", *(label for _, label in SHOWN), *differences, "epochs", "time", "seeds"]
    notes = ["P, MRR, NDCG in per cent; bold: best. time: training and validation, both phases."]
    if verdicts:
        notes.append(
            f"Δ: points above or below {reference.label}, with the 95 % interval of the paired "
            "bootstrap over sessions; p: Wilcoxon's signed-rank test over sessions, after Holm's "
            "correction over the rows; ▲ ▼ where both agree."
        )
    return Table(title, heads, rows, notes)


def _of_weights(table: Table, entries: list[Entry]) -> Table:
    """The table with lambda in place of the entries' names."""
    rows = [
        [Value(f"{weight_of(entry):g}", entry.runs[0]), *row[1:]]
        for row, entry in zip(table.rows, entries, strict=True)
    ]
    return replace(table, columns=["lambda", *table.columns[1:]], rows=rows)


def _row(entry: Entry, best: dict[str, float], verdicts: Verdicts) -> list[Value]:
    figures = [figure(entry, metric, best[metric], verdicts) for metric, _ in SHOWN]
    differences: list[Value] = []
    if verdicts:
        for metric, _ in METRICS:
            differences += _difference(verdicts.get((entry.key, metric)))
    epochs = "/".join(sorted({str(r.epochs) for r in entry.records})) if entry.trained else NOTHING
    seeds = str(len(entry.records)) if entry.trained else NOTHING
    name = Value(entry.label, entry.runs[0])
    return [
        name,
        *figures,
        *differences,
        Value(epochs),
        Value(duration(entry.seconds)),
        Value(seeds),
    ]


def _difference(verdict: Verdict | None) -> list[Value]:
    if verdict is None:
        return [Value("reference", muted=True), Value(NOTHING, muted=True)]
    interval = verdict.interval
    text = f"{signed(interval.difference)} [{signed(interval.low)}, {signed(interval.high)}]"
    return [Value(text), Value("<0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}")]
