"""``report``: one self-contained page with the tables and curves of a results folder."""

from __future__ import annotations

import html
import os
from pathlib import Path

import numpy as np
import plotly.graph_objects as graph
from plotly.offline import get_plotlyjs

from recbole_a2d.benchmark.table import METRICS, comparable, identifier
from recbole_a2d.command_line import split_pairs
from recbole_a2d.errors import UserError
from recbole_a2d.records import Record, read_ranks, read_records

HELP = """usage: run_recbole_a2d.py report [--results DIR] [--out FILE]

Writes one HTML page (default RESULTS/report.html) that needs no network: tables, learning
curves, time against accuracy, hit rate by cut-off. Every figure links to its record."""

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;
text-align:right}td:first-child,th:first-child{text-align:left}.best{font-weight:700}
h2{margin-top:2.5em;border-bottom:2px solid #333}.note{color:#666}a{color:#06c}
"""


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    given = dict(split_pairs(arguments, frozenset({"help"})))
    if "help" in given:
        print(HELP)
        return
    folder = Path(given.pop("results", "results"))
    out = Path(given.pop("out", folder / "report.html"))
    if given:
        raise UserError(f"unknown option --{next(iter(given))}; report --help lists them")
    print(f"report: {write_report(folder, out)}")


def write_report(folder: Path, out: Path) -> Path:
    """Make the page of a results folder.

    Raises:
        UserError: there are no records.
    """
    groups = comparable(read_records(folder))
    if not groups:
        raise UserError(f"no records in {folder}/records; run a model first")
    sections = "\n".join(_section(folder, out.parent, group) for group in groups)
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>recbole_a2d results</title>"
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<h1>Session-based recommendation: results</h1>{sections}</html>\n"
    )
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    beside.write_text(page, encoding="utf-8")
    os.replace(beside, out)
    return out


def _section(folder: Path, home: Path, records: list[Record]) -> str:
    first = records[0]
    intro = (
        f"<h2>{html.escape(first.dataset)}</h2><p class='note'>{first.train_rows:,} training rows, "
        f"{first.test_rows:,} test rows, {first.items:,} items, {first.categories:,} categories; "
        f"protocol {html.escape(first.protocol)}, preset {html.escape(first.preset)}.</p>"
    )
    plots = [_accuracy_over_time(records), _learning_curves(records), _hit_curve(folder, records)]
    drawn = "".join(plot.to_html(full_html=False, include_plotlyjs=False) for plot in plots)
    return intro + _table(folder, home, records) + drawn


def _table(folder: Path, home: Path, records: list[Record]) -> str:
    best = {name: max(record.test[name] for record in records) for name, _ in METRICS}
    head = "".join(f"<th>{label}</th>" for _, label in METRICS)
    rows = []
    for record in sorted(records, key=lambda record: -record.test["mrr@20"]):
        target = os.path.relpath(folder / "records" / f"{record.run}.json", home)
        name = f"<td><a href='{html.escape(target)}'>{html.escape(identifier(record))}</a></td>"
        figures = "".join(
            f"<td class='{'best' if record.test[key] == best[key] else ''}'>"
            f"{100 * record.test[key]:.2f}</td>"
            for key, _ in METRICS
        )
        rows.append(
            f"<tr>{name}{figures}<td>{record.epochs}</td><td>{record.seconds:.0f}</td></tr>"
        )
    title_row = f"<tr><th>model</th>{head}<th>epochs</th><th>seconds</th></tr>"
    return f"<table>{title_row}{''.join(rows)}</table>"


def _accuracy_over_time(records: list[Record]) -> graph.Figure:
    figure = graph.Figure(
        graph.Scatter(
            x=[record.seconds for record in records],
            y=[100 * record.test["mrr@20"] for record in records],
            text=[identifier(record) for record in records],
            mode="markers+text",
            textposition="top center",
        )
    )
    return _titled(figure, "Accuracy against training time", "seconds", "test MRR@20", log=True)


def _learning_curves(records: list[Record]) -> graph.Figure:
    figure = graph.Figure()
    for record in records:
        epochs = [epoch for epoch in record.history if epoch["valid"]]
        if epochs:
            figure.add_scatter(
                x=[epoch["epoch"] + 1 for epoch in epochs],
                y=[100 * epoch["valid"]["mrr@20"] for epoch in epochs],
                name=identifier(record),
                mode="lines+markers",
            )
    return _titled(figure, "Validation while training", "epoch", "validation MRR@20")


def _hit_curve(folder: Path, records: list[Record]) -> graph.Figure:
    cutoffs = np.array([1, 2, 3, 5, 10, 20, 50, 100])
    figure = graph.Figure()
    for record in records:
        ranks = read_ranks(folder, record.run)
        share = [100 * float(((ranks > 0) & (ranks <= cutoff)).mean()) for cutoff in cutoffs]
        figure.add_scatter(x=cutoffs, y=share, name=identifier(record), mode="lines+markers")
    return _titled(figure, "Test rows whose target is among the first k", "k", "per cent", log=True)


def _titled(
    figure: graph.Figure, title: str, across: str, up: str, *, log: bool = False
) -> graph.Figure:
    figure.update_layout(
        title=title, xaxis_title=across, yaxis_title=up, template="plotly_white", height=420
    )
    if log:
        figure.update_xaxes(type="log")
    return figure
