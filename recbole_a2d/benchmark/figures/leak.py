"""The leak audit as one picture."""

from __future__ import annotations

import math

import plotly.graph_objects as graph
from plotly.subplots import make_subplots

from recbole_a2d.benchmark.entries import METRICS
from recbole_a2d.benchmark.figures.style import ACCENT, FAINT, PALETTE, Plot, styled
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.leak_table import (
    LENGTH,
    Audit,
    Setting,
    Shares,
    audits,
    leak_table,
    shares_of,
)
from recbole_a2d.benchmark.paper import paper_figure
from recbole_a2d.benchmark.suites import OURS

MARKERS = (
    ("file", "ranked in file order", ACCENT, "circle"),
    ("shuffled", "ranked in shuffled order", PALETTE[0], "circle"),
    (LENGTH, "ranked by length, as results are", FAINT, "line-ns-open"),
)


def leak_plots(group: Group, shares: Shares) -> list[Plot]:
    """A plot for every audit of a group; none where nothing but the default was run.

    Args:
        group: of the data set.
        shares: of :func:`recbole_a2d.benchmark.leak_table.read_label_shares`.
    """
    return [_plot(group, audit, shares) for audit in audits(group)]


def _plot(group: Group, audit: Audit, shares: Shares) -> Plot:
    settings = audit.settings
    figure = make_subplots(
        rows=1,
        cols=3,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=("P@20", "MRR@20", "answer in a near session"),
    )
    names = [setting.name for setting in settings][::-1]
    for column, (metric, _) in enumerate(METRICS, start=1):
        _metric(figure, settings[::-1], names, metric, column)
        _claim(figure, group.dataset, metric, column)
    _shares(figure, settings[::-1], names, shares)
    height = 190 + 46 * len(settings)
    styled(figure, "per cent", height=height, margin={"l": 10, "t": 60, "b": 96})
    figure.update_layout(legend={"y": -84 / (height - 156), "yanchor": "top"}, barmode="group")
    figure.update_yaxes(automargin=True, categoryorder="array", categoryarray=names)
    figure.update_annotations(selector={"yref": "paper"}, font={"size": 13})
    used = tuple(entry.runs[0] for s in settings for entry in s.entries.values())
    return Plot(
        f"{group.dataset}, {group.scale.title}: {audit.model}",
        "The same trained model, its test rows ranked in two orders. Where the order changes "
        "the figures, rows see one another; what file order gains over shuffled order is answers "
        "read from the batch. Dashed: the paper's figure. Right: how often a near session by "
        "random vectors holds the answer, before anything is learned.",
        figure,
        leak_table(settings, shares),
        used,
    )


def _metric(
    figure: graph.Figure, settings: list[Setting], names: list[str], metric: str, column: int
) -> None:
    for setting in settings:  # a line from shuffled to file order: the leak
        ends = [s.mean(metric) for o, s in setting.entries.items() if o != LENGTH]
        if len(ends) == 2:
            figure.add_scatter(
                x=[100 * end for end in ends],
                y=[setting.name] * 2,
                mode="lines",
                line={"color": "#d9b3a8", "width": 5},
                showlegend=False,
                hoverinfo="skip",
                row=1,
                col=column,
            )
    for order, label, shade, symbol in MARKERS:
        here = [setting for setting in settings if order in setting.entries]
        figure.add_scatter(
            x=[100 * setting.entries[order].mean(metric) for setting in here],
            y=[setting.name for setting in here],
            name=label,
            legendgroup=order,
            showlegend=column == 1 and bool(here),
            mode="markers",
            marker={"color": shade, "size": 12 if order != LENGTH else 16, "symbol": symbol}
            | ({"line": {"width": 2}} if order == LENGTH else {}),
            customdata=[setting.entries[order].runs[0] for setting in here],
            hovertemplate=f"%{{y}}<br>{label}: %{{x:.2f}}<extra></extra>",
            row=1,
            col=column,
        )


def _claim(figure: graph.Figure, dataset: str, metric: str, column: int) -> None:
    claimed = paper_figure("table2", OURS, dataset, metric)
    if claimed is None:
        return
    line = {"color": FAINT, "dash": "dash", "width": 1.5}
    figure.add_vline(x=claimed, line=line, row=1, col=column)
    figure.add_annotation(
        x=claimed,
        y=1.0,
        yref="y domain" if column == 1 else f"y{column} domain",
        xref="x" if column == 1 else f"x{column}",
        text=f"paper {claimed:.2f}",
        showarrow=False,
        font={"color": FAINT, "size": 11},
        yanchor="bottom",
    )


def _shares(
    figure: graph.Figure, settings: list[Setting], names: list[str], shares: Shares
) -> None:
    for place, (order, _, shade, _) in enumerate(MARKERS[:2]):
        values = [100 * shares_of(shares, setting)[place] for setting in settings]
        figure.add_bar(
            x=values,
            y=names,
            orientation="h",
            width=0.3,
            offset=0.02 if order == "file" else -0.32,
            marker={"color": shade},
            text=["" if math.isnan(value) else f"{value:.1f}" for value in values],
            textposition="outside",
            cliponaxis=False,
            showlegend=False,
            hovertemplate=f"%{{y}}: %{{x:.1f}} % in {order} order<extra></extra>",
            row=1,
            col=3,
        )
    figure.update_xaxes(range=[0, 112], tickvals=[0, 25, 50, 75, 100], row=1, col=3)
