"""How all plots of the report look, and what each of them hands over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as graph

from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.layout import Table
from recbole_a2d.benchmark.suites import OURS
from recbole_a2d.model_list import MODELS

INK, FAINT, GRID = "#2b2b2b", "#8b8f94", "#e9e9e7"
ACCENT = "#b5452c"
"""A2D-MTL, wherever it appears."""
VARIANT = "#d99a6c"
"""A2D-MTL with other settings."""
COUNTED = "#9aa0a6"
"""Methods without training."""
PALETTE = (
    "#2f6690",
    "#5b9270",
    "#8565a8",
    "#c08a2b",
    "#4b9ea3",
    "#a55b7b",
    "#5f6f86",
    "#8d7a4f",
    "#3f7fb5",
    "#b7756b",
    "#7f9c3b",
    "#c2708f",
    "#4a5fa5",
    "#9c6b3f",
)
SEQUENCE = ("#1d4e6b", "#3d7796", "#74a3ba", "#b3ccd8", "#e3dccf", "#d3d3d0", "#b9b9b6")
"""From the first rank to a miss."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Plot:
    """A picture of the report.

    Attributes:
        title: what it shows.
        about: how to read it.
        figure: the picture; points carry the run's name, for a link to its record.
        numbers: the same as a table.
        runs: the runs behind it.
    """

    title: str
    about: str
    figure: graph.Figure
    numbers: Table
    runs: tuple[str, ...]


def color(entry: Entry) -> str:
    """The colour of a model, the same in every plot."""
    if entry.model == OURS:
        return ACCENT if entry.variant == "full" and not entry.changed else VARIANT
    if not entry.trained:
        return COUNTED
    names = list(MODELS)
    place = names.index(entry.model) if entry.model in names else len(names)
    return PALETTE[place % len(PALETTE)]


def of_first_seed(entries: Sequence[Entry]) -> str:
    """A sentence for plots of one run an entry, where there are entries of several."""
    several = any(len(entry.records) > 1 for entry in entries)
    return " Of several seeds, the first." if several else ""


def styled(
    figure: graph.Figure, across: str = "", up: str = "", *, height: int = 400, **layout: Any
) -> graph.Figure:
    """Put on the common look: white, few lines, the legend above."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 24, "t": 40, "b": 50} | layout.pop("margin", {}),
        font={"family": FONT, "size": 13, "color": INK},
        hoverlabel={"font": {"family": FONT, "size": 12}},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
        **layout,
    )
    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "#c8c8c5",
        "ticks": "outside",
    }
    axis |= {"tickcolor": "#c8c8c5", "ticklen": 4, "title": {"font": {"size": 13}}}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    if across:
        figure.update_xaxes(title_text=across)
    if up:
        figure.update_yaxes(title_text=up)
    return figure


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move values as little as it takes for no two to be nearer than ``gap``; keeps their order.

    For labels at the ends of lines.
    """
    order = sorted(range(len(values)), key=lambda place: values[place])
    blocks: list[list[float]] = []  # [middle, members]; members of a block stand gap apart
    for place in order:
        blocks.append([values[place], 1])
        while len(blocks) > 1 and _overlap(blocks[-2], blocks[-1], gap):
            (low, below), (high, above) = blocks[-2:]
            blocks[-2:] = [[(low * below + high * above) / (below + above), below + above]]
    placed = [
        middle + gap * (member - (count - 1) / 2)
        for middle, count in blocks
        for member in range(int(count))
    ]
    moved = [0.0] * len(values)
    for place, value in zip(order, placed, strict=True):
        moved[place] = value
    return moved


def inside(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Push spread values between ``low`` and ``high``, still ``gap`` apart where they fit."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    moved = list(values)
    for number, place in enumerate(reversed(order)):
        moved[place] = min(moved[place], high - gap * number)
    for number, place in enumerate(order):
        moved[place] = max(moved[place], low + gap * number)
    return moved


def _overlap(lower: list[float], upper: list[float], gap: float) -> bool:
    return upper[0] - lower[0] < gap * (upper[1] + lower[1]) / 2 - 1e-12


def end_labels(
    figure: graph.Figure, ends: Sequence[tuple[float, float, str, str]], low: float, high: float
) -> None:
    """Write names beside the last points of lines, moved apart where they would overlap.

    Args:
        figure: with its lines.
        ends: x, y, name and colour of each line's last point.
        low, high: range of y that the plot shows.
    """
    gap = 0.052 * (high - low)
    places = inside(spread([y for _, y, _, _ in ends], gap), gap, low, high)
    right = max((x for x, _, _, _ in ends), default=0.0)
    for (_, _, name, shade), place in zip(ends, places, strict=True):
        figure.add_annotation(
            x=right,
            y=place,
            text=name,
            font={"color": shade, "size": 12},
            showarrow=False,
            xanchor="left",
            xshift=10,
        )
