"""Tables 2 and 3: our figures, and the paper's in columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recbole_a2d.benchmark.comparison import Statistics, Verdicts
from recbole_a2d.benchmark.entries import METRICS, Entry, commits_of, entry_title
from recbole_a2d.benchmark.groups import Group, Scale
from recbole_a2d.benchmark.layout import NOTHING, Table, Value
from recbole_a2d.benchmark.paper import paper_figure, paper_table
from recbole_a2d.benchmark.suites import ABLATIONS, OURS, ROWS_OF_THEIR_OWN
from recbole_a2d.config import choices
from recbole_a2d.model_list import MODELS

PAPER_DATASETS = ("diginetica", "tmall", "yoochoose1_64")
PAPER = (
    "Bold: best of ours. paper: its own figures as printed, under a protocol it does not tell; "
    "the public code of its rivals chooses the epoch on the test rows."
)
MARKS = (
    "▲ ▼: better or worse than A2D-MTL by both tests, Wilcoxon's over sessions (p < 0.05 after "
    "Holm's correction over the rows) and the paired bootstrap over sessions (95 % interval "
    "without 0)."
)


@dataclass(frozen=True)
class RowName:
    """What a row of the table is: which record of ours, which line of the paper."""

    model: str
    variant: str
    paper_row: str

    @property
    def label(self) -> str:
        """As printed."""
        return entry_title(self.model, self.variant)


def table2_rows() -> list[RowName]:
    """The paper's order, then models it has not, then A2D-MTL."""
    rivals = [name for name in paper_table("table2") if name != OURS]
    more = [name for name in MODELS if name not in rivals and name != OURS]
    rows = [RowName(name, "full", name) for name in [*rivals, *more]]
    existing = choices("variant")
    rows += [RowName(OURS, name, "") for name in ROWS_OF_THEIR_OWN if name in existing]
    return [*rows, RowName(OURS, "full", OURS)]


def table3_rows() -> list[RowName]:
    """The ablations, then the whole model."""
    return [RowName(OURS, variant, variant) for variant in (*ABLATIONS[1:], "full")]


def scales(groups: Sequence[Group]) -> list[Scale]:
    """Scales at which something ran under the clean protocol; a preset's whole runs first."""
    found = {group.scale for group in groups if group.clean}
    return sorted(found, key=lambda scale: (scale.preset, -scale.train_fraction))


def clean_groups(groups: Sequence[Group], scale: Scale) -> list[Group]:
    """Groups of a scale under the clean protocol."""
    return [group for group in groups if group.clean and group.scale == scale]


def main_groups(groups: Sequence[Group], scale: Scale) -> list[Group]:
    """One group a data set for the big tables: clean protocol, this scale.

    The paper's data sets where there is any, in its order; else whatever there is.
    """
    chosen: dict[str, Group] = {}
    for group in clean_groups(groups, scale):
        known = chosen.get(group.dataset)
        if known is None or len(group.entries) > len(known.entries):
            chosen[group.dataset] = group
    of_paper = [chosen[name] for name in PAPER_DATASETS if name in chosen]
    return of_paper or [chosen[name] for name in sorted(chosen)]


def table3_groups(groups: Sequence[Group], scale: Scale) -> list[Group]:
    """The main groups where an ablation was run on any of them, else other data sets with one."""
    chosen = main_groups(groups, scale)
    if _has_ablations(chosen):
        return chosen
    return main_groups([group for group in groups if _has_ablations([group])], scale)


def _has_ablations(groups: Sequence[Group]) -> bool:
    """Whether any row of Table 3 but the whole model was run."""
    return any(group.find(OURS, name) for group in groups for name in ABLATIONS[1:])


def side_by_side(
    caption: str,
    rows: Sequence[RowName],
    groups: Sequence[Group],
    statistics: Statistics | None,
    paper: str,
) -> Table:
    """Rows by data sets, ours and the paper's.

    Args:
        caption: of the table.
        rows: what to look up; what has no record is printed as missing.
        groups: one a data set.
        statistics: for the marks; None leaves them out.
        paper: name of the paper's table.
    """
    found = [[group.find(row.model, row.variant) for row in rows] for group in groups]
    columns = [
        _columns(group, rows, of_rows, statistics, paper)
        for group, of_rows in zip(groups, found, strict=True)
    ]
    heads = [head for part in columns for head in part[0]]
    lines = [
        [Value(row.label), *(value for part in columns for value in part[1][place])]
        for place, row in enumerate(rows)
    ]
    spans = [
        ("", 1),
        *((group.dataset, len(part[0])) for group, part in zip(groups, columns, strict=True)),
    ]
    shown = [entry for of_rows in found for entry in of_rows if entry is not None]
    return Table(caption, ["model", *heads], lines, _notes(groups, shown, statistics), spans)


def _columns(
    group: Group,
    rows: Sequence[RowName],
    found: Sequence[Entry | None],
    statistics: Statistics | None,
    paper: str,
) -> tuple[list[str], list[list[Value]]]:
    present = list({entry.key: entry for entry in found if entry is not None}.values())
    reference = group.find(OURS)
    verdicts: Verdicts = {}
    if statistics is not None and reference is not None:
        verdicts = statistics.compare(group, present, reference)
    has_paper = group.dataset in PAPER_DATASETS
    heads: list[str] = []
    lines: list[list[Value]] = [[] for _ in rows]
    for metric, label in METRICS:
        heads += [label, "paper"] if has_paper else [label]
        best = max((entry.mean(metric) for entry in present), default=0.0)
        for line, row, entry in zip(lines, rows, found, strict=True):
            line.append(figure(entry, metric, best, verdicts))
            if has_paper:
                line.append(_printed(paper, row, group.dataset, metric))
    return heads, lines


def figure(entry: Entry | None, metric: str, best: float, verdicts: Verdicts) -> Value:
    """A figure of ours in per cent, with its standard deviation where seeds were repeated."""
    if entry is None:
        return Value("missing", muted=True)
    value, spread = entry.mean(metric), entry.deviation(metric)
    text = f"{100 * value:.2f}" + ("" if spread is None else f" ± {100 * spread:.2f}")
    verdict = verdicts.get((entry.key, metric))
    return Value(
        text, entry.runs[0], strong=value == best, mark="" if verdict is None else verdict.mark
    )


def _printed(paper: str, row: RowName, dataset: str, metric: str) -> Value:
    printed = paper_figure(paper, row.paper_row, dataset, metric)
    return Value(NOTHING if printed is None else f"{printed:.2f}", muted=True)


def _notes(
    groups: Sequence[Group], shown: Sequence[Entry], statistics: Statistics | None
) -> list[str]:
    seeds = sorted({r.seed for entry in shown for r in entry.records if r.epochs})
    first = groups[0]
    told = (
        f"Per cent. Protocol {first.protocol}, {first.scale.title}, "
        f"seeds {', '.join(map(str, seeds)) or 'none'}, commits {commits_of(shown)}."
    )
    notes = [told, PAPER if any(g.dataset in PAPER_DATASETS for g in groups) else "Bold: best."]
    if statistics is None:
        return notes
    without = [
        group.dataset for group in groups if not (group.find(OURS) and statistics.facts(group))
    ]
    if len(without) < len(groups):
        notes.append(MARKS)
    if without:
        notes.append(
            f"No marks for {', '.join(without)}: A2D-MTL has no record there, or the data set is "
            "not here to say which rows make a session."
        )
    return notes
