"""The leak audit as one picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as graph
from plotly.subplots import make_subplots

from recbole_a2d.benchmark.entries import LEAK_KEYS, Entry, Group, same_seeds
from recbole_a2d.benchmark.figures.style import ACCENT, FAINT, PALETTE, Plot, styled
from recbole_a2d.benchmark.layout import NOTHING, Table, Value
from recbole_a2d.benchmark.leak import shares_of
from recbole_a2d.benchmark.paper import paper_figure
from recbole_a2d.benchmark.suites import OURS

METRICS = (("hit@20", "P@20"), ("mrr@20", "MRR@20"))
LENGTH = "length"
"""The order that results are made in: rows of like length together."""
ORDERS = (
    ("file", "ranked in file order", ACCENT, "circle"),
    ("shuffled", "ranked in shuffled order", PALETTE[0], "circle"),
    (LENGTH, "ranked by length, as results are", FAINT, "line-ns-open"),
)


@dataclass(frozen=True)
class Setting:
    """One line of the picture.

    Attributes:
        name: what was changed.
        bank: its session bank.
        entries: by the order that its test rows were ranked in.
    """

    name: str
    bank: str
    entries: dict[str, Entry]


def leak_audit(group: Group, shares: dict[str, Any] | None) -> Plot | None:
    """All settings of the audit on one data set; None where none but the default was run.

    Args:
        group: of the data set.
        shares: of :func:`recbole_a2d.benchmark.leak.read_label_shares`.
    """
    settings = audited(group)
    if len(settings) < 2:
        return None
    figure = make_subplots(
        rows=1,
        cols=3,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=("P@20", "MRR@20", "answer in a near session, random vectors"),
    )
    names = [setting.name for setting in settings][::-1]
    for column, (metric, _) in enumerate(METRICS, start=1):
        _metric(figure, settings[::-1], names, metric, column)
        _claim(figure, group.dataset, metric, column)
    _shares(figure, settings[::-1], names, shares)
    height = 190 + 46 * len(settings)
    styled(figure, "per cent", height=height, margin={"l": 10, "t": 60, "b": 96})
    figure.update_layout(legend={"y": -84 / (height - 156), "yanchor": "top"}, barmode="group")
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(automargin=True, categoryorder="array", categoryarray=names)
    figure.update_annotations(selector={"yref": "paper"}, font={"size": 13})
    used = tuple(entry.runs[0] for s in settings for entry in s.entries.values())
    return Plot(
        f"{group.dataset}, preset {group.preset}",
        "The same trained model, its test rows ranked in two orders. Where the order changes "
        "the figures, rows see one another; what file order gains over shuffled order is answers "
        "read from the batch. Dashed: the paper's figure. Right: how often a near session holds "
        "the answer though nothing was learned.",
        figure,
        _numbers(settings, shares),
        used,
    )


def audited(group: Group) -> list[Setting]:
    """Settings of the audit: the default first, then each change."""
    settings: dict[str, Setting] = {}
    entries = group.varied(LEAK_KEYS)
    for entry in same_seeds(entries) if entries else []:
        told = dict(entry.changed)
        order = str(told.pop("evaluation_order", LENGTH))
        name = ", ".join(f"{k}: {_word(v)}" for k, v in sorted(told.items())) or "as in results"
        bank = str(entry.records[0].config.get("session_bank", "none"))
        settings.setdefault(name, Setting(name, bank, {})).entries[order] = entry
    return [s for _, s in sorted(settings.items(), key=lambda pair: _place(pair[1]))]


def _place(setting: Setting) -> tuple[int, int]:
    banks = ("none", "train", "batch_masked", "batch_leaky")
    place = banks.index(setting.bank) if setting.bank in banks else len(banks)
    return place, int(setting.name != "as in results")


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
    for order, label, shade, symbol in ORDERS:
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
    figure: graph.Figure, settings: list[Setting], names: list[str], shares: dict[str, Any] | None
) -> None:
    for place, (order, _, shade, _) in enumerate(ORDERS[:2]):
        values = [
            100 * shares_of(shares, setting.bank, ["file", "shuffled"])[place]
            for setting in settings
        ]
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


def _numbers(settings: list[Setting], shares: dict[str, Any] | None) -> Table:
    heads = ["setting"]
    heads += [
        f"{label}, {order} order" for _, label in METRICS for order in ("file", "shuffled", LENGTH)
    ]
    heads += ["answer near, file order", "answer near, shuffled"]
    rows = []
    for setting in settings:
        first = next(iter(setting.entries.values()))
        row = [Value(setting.name, first.runs[0])]
        for metric, _ in METRICS:
            for order in ("file", "shuffled", LENGTH):
                row.append(_figure(setting.entries.get(order), metric))
        for share in shares_of(shares, setting.bank, ["file", "shuffled"]):
            row.append(Value(NOTHING if math.isnan(share) else f"{100 * share:.1f}"))
        rows.append(row)
    note = []
    if shares is not None:
        note = [
            f"Answer near: random vectors, {shares['neighbors']} nearest, batches of "
            f"{shares['batch']}; for the bank of training sessions the order does not matter."
        ]
    return Table("", heads, rows, note)


def _figure(entry: Entry | None, metric: str) -> Value:
    if entry is None:
        return Value(NOTHING, muted=True)
    return Value(f"{100 * entry.mean(metric):.2f}", entry.runs[0])


def _word(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower()
