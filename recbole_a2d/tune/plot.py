"""A search as one page that needs no network: parallel coordinates, course, table."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as graph
from plotly.offline import get_plotlyjs

from recbole_a2d.html_page import html_page, write_text
from recbole_a2d.tune.space import Parameter, SearchSpace
from recbole_a2d.tune.trial import STOPPED, Trial

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:.9em}td,th{padding:.25em .8em;
border-bottom:1px solid #ddd;text-align:right;font-variant-numeric:tabular-nums}
.best{font-weight:700;background:#eef4ff}.note{color:#666}h1{font-size:1.5em}
"""
POOR, GOOD = "#a9bcdc", "#1746a2"
"""Colours of the poorest and of the best trial; both stand out from the page."""
FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#222"}


def write_plot(
    path: Path, title: str, space: SearchSpace, trials: Sequence[Trial], metric: str
) -> Path:
    """Write the page of a search.

    Args:
        path: of the page.
        title: its heading.
        space: what was searched.
        trials: what came of it; at least one with a result.
        metric: validation metric that was searched for.

    Raises:
        UserError: the place cannot be written.
    """
    scored = [(found[0], trial) for trial in trials if (found := trial.best(metric)) is not None]
    drawn = "".join(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
        for figure in (_coordinates(space, scored, metric), _course(scored, metric))
    )
    content = (
        f"<h1>{html.escape(title)}</h1>"
        f"<p class='note'>Validation {html.escape(metric)}, in per cent; the test sessions took "
        f"no part.</p>{drawn}{_table(space, trials, metric)}"
    )
    return write_text(path, html_page(title, STYLE, content, get_plotlyjs()))


def _coordinates(
    space: SearchSpace, scored: list[tuple[float, Trial]], metric: str
) -> graph.Figure:
    scores = [100 * score for score, _ in scored]
    settings = [trial.settings for _, trial in scored]
    axes = [
        _axis(parameter, [s[parameter.name] for s in settings]) for parameter in space.parameters
    ]
    axes.append({"label": f"valid {metric}", "values": scores, "range": _widened(scores)})
    line = {"color": scores, "colorscale": [[0, POOR], [1, GOOD]]}
    # The ends of the axes need no figures beside the ticks.
    unseen = {"color": "rgba(0,0,0,0)"}
    lines = graph.Parcoords(
        dimensions=axes, line=line, labelfont=FONT, tickfont=FONT, rangefont=unseen
    )
    figure = graph.Figure(lines)
    figure.update_layout(height=420, margin={"l": 100, "r": 60, "t": 60, "b": 30}, font=FONT)
    return figure


def _axis(parameter: Parameter, values: list[Any]) -> dict[str, Any]:
    if parameter.kind == "choice":
        places = [parameter.values.index(value) for value in values]
        count = len(parameter.values)
        return {
            "label": parameter.name,
            "values": places,
            "range": [-0.3, count - 0.7],
            "tickvals": list(range(count)),
            "ticktext": [str(value) for value in parameter.values],
        }
    if parameter.kind == "loguniform":
        low, high = (bound / math.log(10) for bound in parameter.values)
        ticks = [low + (high - low) * step / 4 for step in range(5)]
        return {
            "label": parameter.name,
            "values": [math.log10(value) for value in values],
            "range": [low, high],
            "tickvals": ticks,
            "ticktext": [f"{10**tick:.1e}" for tick in ticks],
        }
    return {"label": parameter.name, "values": values, "range": list(parameter.values[:2])}


def _widened(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return [round(low - margin, 2), round(high + margin, 2)]


def _course(scored: list[tuple[float, Trial]], metric: str) -> graph.Figure:
    numbers = [trial.number + 1 for _, trial in scored]
    scores = [100 * score for score, _ in scored]
    best = [max(scores[: place + 1]) for place in range(len(scores))]
    hollow = [trial.status == STOPPED for _, trial in scored]
    marks = {
        "size": 9,
        "color": GOOD,
        "symbol": ["circle-open" if stopped else "circle" for stopped in hollow],
    }
    figure = graph.Figure(
        graph.Scatter(x=numbers, y=best, mode="lines", line={"shape": "hv", "color": POOR})
    )
    figure.add_scatter(x=numbers, y=scores, mode="markers", marker=marks)
    stopped = "; hollow: stopped early" if any(hollow) else ""
    figure.update_layout(
        xaxis_title=f"trial (the line: best so far{stopped})",
        yaxis_title=f"valid {metric}",
        template="plotly_white",
        showlegend=False,
        height=320,
        margin={"l": 70, "r": 30, "t": 20, "b": 60},
        font=FONT,
    )
    figure.update_xaxes(tickformat="d")
    return figure


def _table(space: SearchSpace, trials: Sequence[Trial], metric: str) -> str:
    names = [parameter.name for parameter in space.parameters]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ["trial", *names])
    found = {trial.number: trial.best(metric) for trial in trials}
    order = sorted(trials, key=lambda t: (-(found[t.number] or (-1.0, 0))[0], t.number))
    rows = []
    for place, trial in enumerate(order):
        best = found[trial.number]
        figures = [f"{100 * best[0]:.2f}", str(best[1])] if best else ["-", "-"]
        values = [_short(trial.settings[name]) for name in names]
        status = trial.status + (f": {trial.error}" if trial.error else "")
        cells = [str(trial.number + 1), *values, *figures, f"{trial.seconds:.0f}", status]
        row = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr class='{'best' if place == 0 else ''}'>{row}</tr>")
    tail = f"<th>{html.escape(metric)}</th><th>epoch</th><th>seconds</th><th>status</th>"
    return f"<table><tr>{head}{tail}</tr>{''.join(rows)}</table>"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
