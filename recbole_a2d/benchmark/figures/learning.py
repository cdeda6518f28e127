"""Score after every epoch: on validation rows, or on test rows where these chose the epoch."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as graph

from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.figures.style import (
    ACCENT,
    Plot,
    color,
    end_labels,
    of_first_seed,
    styled,
)
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import NOTHING, Table, Value


def learning_curves(group: Group) -> Plot | None:
    """MRR@20 by epoch of every trained entry; None where nothing was validated."""
    entries = [entry for entry in group.models if validated(entry)]
    if not entries:
        return None
    rows, about = _told(group)
    figure = graph.Figure()
    for entry in entries:
        figure.add_trace(_line(entry))
    ends = [_end(entry) for entry in entries]
    low, high = _range([y for entry in entries for _, y in points(entry)])
    figure.update_yaxes(range=[low, high])
    end_labels(figure, ends, low, high)
    longest = max(len(points(entry)) for entry in entries)
    figure.update_xaxes(dtick=1 if longest < 16 else 5, range=[0.8, longest + 0.2])
    styled(
        figure,
        "epoch",
        f"{rows} MRR@20, per cent",
        height=440,
        showlegend=False,
        margin={"t": 12, "r": 200},
    )
    return Plot(
        "Learning curves",
        f"{about}; the ring is the epoch that was chosen.{of_first_seed(entries)}",
        figure,
        _numbers(entries, rows),
        tuple(entry.runs[0] for entry in entries),
    )


def _told(group: Group) -> tuple[str, str]:
    """Which rows were ranked after each epoch, and a sentence about it."""
    if group.clean:
        return "validation", "Validation after each epoch of the choosing phase"
    return "test", "No validation: the test rows after each epoch, which chose it themselves"


def validated(entry: Entry) -> list[dict[str, Any]]:
    """Epochs of the entry's first run that were ranked to choose among them."""
    history = entry.records[0].history
    return [epoch for epoch in history if epoch.get("valid") and epoch.get("phase") != "final"]


def points(entry: Entry) -> list[tuple[int, float]]:
    """Epoch, from 1, and its MRR@20 in per cent."""
    return [(e["epoch"] + 1, 100 * e["valid"]["mrr@20"]) for e in validated(entry)]


def _range(values: list[float]) -> tuple[float, float]:
    room = 0.08 * (max(values) - min(values)) or 1.0
    return min(values) - room, max(values) + room


def _line(entry: Entry) -> graph.Scatter:
    across, up = zip(*points(entry), strict=True)
    chosen = entry.records[0].epochs
    shade = color(entry)
    return graph.Scatter(
        x=across,
        y=up,
        name=entry.label,
        mode="lines+markers",
        line={"color": shade, "width": 3 if shade == ACCENT else 1.6},
        marker={
            "size": [10 if x == chosen else 4 for x in across],
            "symbol": ["circle-open" if x == chosen else "circle" for x in across],
            "color": shade,
            "line": {"width": [2 if x == chosen else 0 for x in across]},
        },
        customdata=[entry.runs[0]] * len(across),
        hovertemplate=f"{entry.label}<br>epoch %{{x}}: %{{y:.2f}}<extra></extra>",
    )


def _end(entry: Entry) -> tuple[float, float, str, str]:
    across, up = points(entry)[-1]
    return float(across), up, entry.label, color(entry)


def _numbers(entries: list[Entry], ranked: str) -> Table:
    longest = max(len(points(entry)) for entry in entries)
    rows = []
    for entry in entries:
        scores = [f"{y:.2f}" for _, y in points(entry)]
        scores += [NOTHING] * (longest - len(scores))
        rows.append([Value(entry.label, entry.runs[0]), *map(Value, scores)])
    return Table("", [f"{ranked} MRR@20", *map(str, range(1, longest + 1))], rows)
