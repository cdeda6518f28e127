"""Whether the attentions of A2D-MTL attend at all."""

from __future__ import annotations

import plotly.graph_objects as graph
from plotly.subplots import make_subplots

from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.figures.style import ACCENT, FAINT, PALETTE, Plot, of_first_seed, styled
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import NOTHING, Table, Value

ENTROPIES = (
    ("click_entropy", "which clicks count (Eq. 14)", ACCENT),
    ("context_entropy", "attention among clicks (Eq. 12)", PALETTE[0]),
)
ABOVE, BELOW = 70, 80
"""Pixels over and under the rows: titles, the axis and the legend."""
NEEDED = {"click_entropy", "clicks_switched_off"}
FIGURES = (
    ("click_entropy", "entropy, Eq. 14"),
    ("context_entropy", "entropy, Eq. 12"),
    ("clicks_switched_off", "clicks switched off"),
    ("alpha_ent", "mean alpha_ent"),
)


def attention(group: Group) -> Plot | None:
    """Entropies and clicks switched off of every entry that tells; None where none does."""
    entries = [e for e in group.results if e.records[0].diagnostics.keys() >= NEEDED]
    if not entries:
        return None
    entries = entries[::-1]  # horizontal bars grow upwards
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.06,
        subplot_titles=("entropy relative to uniform weights", "clicks switched off, per cent"),
    )
    names = [entry.label for entry in entries]
    for key, name, shade in ENTROPIES:
        figure.add_trace(_dots(entries, names, key, name, shade), row=1, col=1)
    figure.add_trace(_bars(entries, names), row=1, col=2)
    rows = 34 * len(entries)
    styled(figure, height=ABOVE + rows + BELOW, margin={"l": 10, "t": ABOVE, "b": BELOW})
    # measured in heights of the rows, whatever their number: below the numbers of the axis
    figure.update_layout(legend={"y": -36 / rows, "yanchor": "top"})
    figure.update_xaxes(range=[0, 1.05], row=1, col=1)
    figure.update_xaxes(range=[0, 100], row=1, col=2)
    figure.add_vline(x=1.0, line={"color": FAINT, "dash": "dot", "width": 1}, row=1, col=1)
    figure.update_annotations(font={"size": 13})
    figure.update_yaxes(automargin=True)
    return Plot(
        "Attention of A2D-MTL",
        "1 on the left means uniform weights, no choice among the clicks. Right: clicks that the "
        f"sparse attention gives the weight 0 exactly.{of_first_seed(entries)}",
        figure,
        _numbers(entries[::-1]),
        tuple(entry.runs[0] for entry in entries),
    )


def _dots(entries: list[Entry], names: list[str], key: str, name: str, shade: str) -> graph.Scatter:
    return graph.Scatter(
        x=[entry.records[0].diagnostics.get(key) for entry in entries],
        y=names,
        name=name,
        mode="markers",
        marker={"color": shade, "size": 11},
        customdata=[entry.runs[0] for entry in entries],
        hovertemplate=f"%{{y}}<br>{name}: %{{x:.3f}}<extra></extra>",
    )


def _bars(entries: list[Entry], names: list[str]) -> graph.Bar:
    shares = [100 * entry.records[0].diagnostics["clicks_switched_off"] for entry in entries]
    return graph.Bar(
        x=shares,
        y=names,
        orientation="h",
        marker={"color": PALETTE[6]},
        width=0.5,
        text=[f"{share:.1f}" for share in shares],
        textposition="outside",
        showlegend=False,
        customdata=[entry.runs[0] for entry in entries],
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
    )


def _numbers(entries: list[Entry]) -> Table:
    rows = []
    for entry in entries:
        told = entry.records[0].diagnostics
        values = [f"{told[key]:.3f}" if key in told else NOTHING for key, _ in FIGURES]
        rows.append([Value(entry.label, entry.runs[0]), *map(Value, values)])
    return Table("", ["model", *(label for _, label in FIGURES)], rows)
