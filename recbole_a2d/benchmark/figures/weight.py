"""Figure 3: the weight of the category task."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as graph
from plotly.subplots import make_subplots

from recbole_a2d.benchmark.entries import METRICS, Entry
from recbole_a2d.benchmark.figures.style import ACCENT, FAINT, Plot, styled
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import Table, Value
from recbole_a2d.benchmark.sweep import swept, weight_of

LEAST = {"hit@20": 2.0, "mrr@20": 1.0}
"""Points that a panel spans at least."""


def category_weight(title: str, groups: Sequence[Group]) -> Plot | None:
    """P@20 and MRR@20 over lambda, a row a data set; None where it was not varied."""
    chosen = [(group, swept(group)) for group in groups if swept(group)]
    if not chosen:
        return None
    figure = make_subplots(
        rows=len(chosen),
        cols=2,
        horizontal_spacing=0.09,
        vertical_spacing=0.28 / len(chosen),
        subplot_titles=[f"{g.dataset}: {label}" for g, _ in chosen for _, label in METRICS],
    )
    for row, (_, entries) in enumerate(chosen, start=1):
        for column, (metric, label) in enumerate(METRICS, start=1):
            figure.add_trace(_line(entries, metric, label), row=row, col=column)
            figure.update_yaxes(range=_range(entries, metric), row=row, col=column)
    styled(figure, height=110 + 210 * len(chosen), showlegend=False)
    figure.update_xaxes(title_text="\u03bb, weight of the category task", row=len(chosen))
    figure.add_vline(x=0.25, line={"color": FAINT, "dash": "dot", "width": 1})
    figure.update_annotations(font={"size": 13})
    everything = [entry for _, entries in chosen for entry in entries]
    return Plot(
        title,
        "Test figures of A2D-MTL over lambda of Eq. 25, every panel on its own scale. Dotted: the "
        "paper's choice, 0.25; it prints a picture without numbers, so there is nothing to lay "
        "beside ours.",
        figure,
        _numbers(chosen),
        tuple(entry.runs[0] for entry in everything),
    )


def _range(entries: list[Entry], metric: str) -> list[float]:
    """Never less than two points of P@20 or one of MRR@20: noise shall look like noise."""
    values = [100 * entry.mean(metric) for entry in entries]
    middle = (max(values) + min(values)) / 2
    half = max(0.6 * (max(values) - min(values)), LEAST[metric] / 2)
    return [middle - half, middle + half]


def _line(entries: list[Entry], metric: str, label: str) -> graph.Scatter:
    return graph.Scatter(
        x=[weight_of(entry) for entry in entries],
        y=[100 * entry.mean(metric) for entry in entries],
        mode="lines+markers",
        line={"color": ACCENT, "width": 2.2},
        marker={"size": 7},
        customdata=[entry.runs[0] for entry in entries],
        hovertemplate=f"lambda %{{x}}: {label} %{{y:.2f}}<extra></extra>",
    )


def _numbers(chosen: list[tuple[Group, list[Entry]]]) -> Table:
    rows = [
        [
            Value(group.dataset),
            Value(f"{weight_of(entry):g}", entry.runs[0]),
            *(Value(f"{100 * entry.mean(metric):.2f}") for metric, _ in METRICS),
        ]
        for group, entries in chosen
        for entry in entries
    ]
    return Table("", ["data set", "lambda", *(label for _, label in METRICS)], rows)
