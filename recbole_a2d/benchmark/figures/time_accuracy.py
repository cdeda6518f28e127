"""What a run costs and what it brings."""

from __future__ import annotations

import math

import plotly.graph_objects as graph

from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.figures.style import Plot, color, styled
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import Table, Value
from recbole_a2d.benchmark.plan import duration

WIDTH, HEIGHT = 860.0, 380.0
"""The picture's inner size in pixels, as far as labels need to know it."""
LETTER, LINE = 6.6, 15.0


def time_against_accuracy(group: Group) -> Plot | None:
    """Test MRR@20 over the time of training and validation; None with fewer than two entries."""
    entries = group.models
    if len(entries) < 2:
        return None
    figure = graph.Figure()
    figure.add_trace(_points(entries))
    low, high = _decades(entries)
    ticks = [second for second in TICKS if low <= math.log10(second) <= high]
    figure.update_xaxes(
        type="log",
        range=[low, high],
        tickvals=ticks,
        ticktext=[_tick(second) for second in ticks],
    )
    styled(figure, "training and validation time", "test MRR@20, per cent", height=440)
    figure.update_layout(showlegend=False, margin={"t": 16})
    return Plot(
        "Time against accuracy",
        "Up and to the left is better. Grey: methods without training.",
        figure,
        _numbers(entries),
        tuple(entry.runs[0] for entry in entries),
    )


TICKS = (0.1, 0.3, 1, 2, 5, 10, 20, 40, 120, 300, 600, 1200, 2400, 7200, 14400, 28800, 57600)


def _tick(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 1 else duration(seconds).replace(" 00 min", "")


def _points(entries: list[Entry]) -> graph.Scatter:
    return graph.Scatter(
        x=[max(entry.seconds, 0.1) for entry in entries],
        y=[100 * entry.mean("mrr@20") for entry in entries],
        mode="markers+text",
        text=[entry.label for entry in entries],
        textposition=label_places(_pixels(entries), [entry.label for entry in entries]),
        textfont={"color": [color(entry) for entry in entries], "size": 12},
        marker={"color": [color(entry) for entry in entries], "size": 10},
        customdata=[entry.runs[0] for entry in entries],
        hovertemplate="%{text}<br>%{x:.0f} s, %{y:.2f}<extra></extra>",
        cliponaxis=False,
    )


def _decades(entries: list[Entry]) -> tuple[float, float]:
    decades = [math.log10(max(entry.seconds, 0.1)) for entry in entries]
    room = 0.12 * max(max(decades) - min(decades), 1.0)
    return min(decades) - room, max(decades) + room


def _pixels(entries: list[Entry]) -> list[tuple[float, float]]:
    low, high = _decades(entries)
    scores = [100 * entry.mean("mrr@20") for entry in entries]
    reach = max(scores) - min(scores) or 1.0
    return [
        (
            WIDTH * (math.log10(max(entry.seconds, 0.1)) - low) / (high - low),
            HEIGHT * (score - min(scores)) / reach,
        )
        for entry, score in zip(entries, scores, strict=True)
    ]


def label_places(points: list[tuple[float, float]], labels: list[str]) -> list[str]:
    """Where each label goes so that few overlap: right of its point, else left, above, below.

    Args:
        points: x and y in pixels, y upwards.
        labels: one each.

    Returns:
        Plotly's words for the places.
    """
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    chosen = []
    for (x, y), label in zip(points, labels, strict=True):
        boxes = _boxes(x, y, LETTER * len(label))
        place = min(boxes, key=lambda name: _cost(boxes[name], taken))
        taken.append(boxes[place])
        chosen.append(place)
    return chosen


Box = tuple[float, float, float, float]


def _boxes(x: float, y: float, width: float) -> dict[str, Box]:
    middle, half = LINE / 2, width / 2
    return {
        "middle right": (x + 8, y - middle, x + 8 + width, y + middle),
        "middle left": (x - 8 - width, y - middle, x - 8, y + middle),
        "top center": (x - half, y + 6, x + half, y + 6 + LINE),
        "bottom center": (x - half, y - 6 - LINE, x + half, y - 6),
    }


def _cost(box: Box, taken: list[Box]) -> float:
    outside = max(box[2] - WIDTH, 0) + max(-box[0], 0)
    return outside + sum(_shared(box, other) for other in taken)


def _shared(first: Box, second: Box) -> float:
    across = min(first[2], second[2]) - max(first[0], second[0])
    up = min(first[3], second[3]) - max(first[1], second[1])
    return across * up if across > 0 and up > 0 else 0.0


def _numbers(entries: list[Entry]) -> Table:
    rows = [
        [
            Value(entry.label, entry.runs[0]),
            Value(duration(entry.seconds)),
            Value(f"{100 * entry.mean('mrr@20'):.2f}"),
        ]
        for entry in entries
    ]
    return Table("", ["model", "time", "MRR@20"], rows)
