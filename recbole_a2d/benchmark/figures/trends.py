"""How fast the past fades: what A2D-MTL learned of recent clicks (``trend_slices``)."""

from __future__ import annotations

import plotly.graph_objects as graph

from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.figures.style import FAINT, PALETTE, Plot, of_first_seed, styled
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import Table, Value

_PREFIX = "trend_"
"""Of the weights among a record's diagnostics; the age of the slice follows."""
_LISTED = 5
"""Youngest slices in the table; the plot has all of them."""


def trends(group: Group) -> Plot | None:
    """Learned weights of the slices before a session, by age; None where no entry has any."""
    entries = [entry for entry in group.results if weights(entry)]
    if not entries:
        return None
    figure = graph.Figure([_line(entry) for entry in entries])
    figure.add_hline(y=0, line={"color": FAINT, "width": 1})
    across, up = "age of the slice, 1 the youngest", "weight of log(1 + clicks)"
    # a single line would stand without its name
    styled(figure, across, up, colorway=PALETTE, showlegend=True)
    return Plot(
        "What recent clicks weigh",
        "Training sessions in slices of time: an item's score gains the weight times log(1 + "
        f"clicks) of each slice before the session's own.{of_first_seed(entries)}",
        figure,
        _numbers(entries),
        tuple(entry.runs[0] for entry in entries),
    )


def weights(entry: Entry) -> list[float]:
    """Of an entry's slices, the youngest first; empty where it has none."""
    told = entry.records[0].diagnostics
    ages = sorted(int(key.removeprefix(_PREFIX)) for key in told if key.startswith(_PREFIX))
    return [told[f"{_PREFIX}{age}"] for age in ages]


def _line(entry: Entry) -> graph.Scatter:
    found = weights(entry)
    return graph.Scatter(
        x=list(range(1, len(found) + 1)),
        y=found,
        name=entry.label,
        mode="lines+markers",
        customdata=[entry.runs[0]] * len(found),
        hovertemplate="%{fullData.name}<br>slice %{x}: %{y:.3f}<extra></extra>",
    )


def _numbers(entries: list[Entry]) -> Table:
    rows = []
    for entry in entries:
        found = [f"{one:.3f}" for one in weights(entry)[:_LISTED]]
        found += [""] * (_LISTED - len(found))
        rows.append([Value(entry.label, entry.runs[0]), *map(Value, found)])
    return Table("", ["model", *(f"slice {age}" for age in range(1, _LISTED + 1))], rows)
