"""Where the targets land, by what kind of row it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as graph
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from recbole_a2d.benchmark.comparison import Statistics, reference_of
from recbole_a2d.benchmark.entries import Entry
from recbole_a2d.benchmark.figures.style import (
    ACCENT,
    SEQUENCE,
    Plot,
    color,
    end_labels,
    styled,
)
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import Table, Value
from recbole_a2d.benchmark.row_facts import RowFacts
from recbole_a2d.data.sessions import IntArray
from recbole_a2d.evaluation.metrics import reciprocal_ranks

RANK_EDGES = (1, 2, 6, 11, 21, 101)
RANK_NAMES = ("first", "2 to 5", "6 to 10", "11 to 20", "21 to 100", "beyond 100", "unseen item")
GREYS = ("#6b7076", "#8f8574", "#9aa0a6", "#7c8f99", "#b3aa9c", "#a9b4ba")
DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
"""Methods without training are grey; tints and dashes tell them apart."""
SHOWN = 6
"""Lines of a plot; more are not told apart."""
LEVEL = 5
"""Letters of a bin's name that fit under it; longer ones are turned."""

RanksOfSeeds = dict[str, list[IntArray]]
"""By entry key, the ranks of every seed."""


@dataclass(frozen=True)
class Split:
    """A way to sort rows into bins.

    Attributes:
        title, across: of the plot and of its axis.
        names: of the bins.
        bin_of_row: number of each row's bin, ``[rows]``.
    """

    title: str
    across: str
    names: tuple[str, ...]
    bin_of_row: IntArray

    @property
    def rows(self) -> IntArray:
        """Rows in each bin."""
        return np.bincount(self.bin_of_row, minlength=len(self.names))

    def used(self) -> list[int]:
        """Bins that hold a row."""
        return [place for place, count in enumerate(self.rows) if count > 0]


def splits(facts: RowFacts) -> list[Split]:
    """By prefix length and by how often the target was clicked in all training sessions."""
    return [
        _split(
            "by prefix length",
            "clicks in the prefix",
            facts.prefix_length,
            (1, 2, 3, 4, 5, 6, 8, 11, 16),
        ),
        _split(
            "by popularity of the target",
            "training clicks on the target",
            facts.target_clicks,
            (0, 1, 6, 11, 21, 51, 101, 201, 501),
        ),
    ]


def _split(title: str, across: str, values: IntArray, edges: Sequence[int]) -> Split:
    bins = np.searchsorted(np.asarray(edges), values, side="right") - 1
    return Split(f"Ranks {title}", across, _names(edges), bins.astype(np.int64))


def _names(edges: Sequence[int]) -> tuple[str, ...]:
    last = [following - 1 for following in edges[1:]]
    closed = [
        str(first) if first == end else f"{first}-{end}"
        for first, end in zip(edges, last, strict=False)
    ]
    return (*closed, f"{edges[-1]}+")


def rank_plots(group: Group, statistics: Statistics) -> list[Plot]:
    """A plot for every split; none where the rows are unknown, or there are no results.

    Popularity is counted on all training sessions, so that runs on a share of them have no plot
    of it: they never saw those clicks.
    """
    facts, entries = statistics.facts(group), leaders(group)
    if facts is None or not entries:
        return []
    ranks = {e.key: [statistics.ranks(r, len(facts)) for r in e.records] for e in entries}
    by_length, by_clicks = splits(facts)
    shown = [by_length, by_clicks] if group.scale.whole else [by_length]
    return [_plot(split, entries, ranks) for split in shown]


def leaders(group: Group) -> list[Entry]:
    """The reference and the best others, at least one of them a method without training."""
    reference = reference_of(group)
    if reference is None:
        return []
    others = [entry for entry in group.models if entry.key != reference.key]
    counted = [entry for entry in others if not entry.trained][:1]
    trained = [entry for entry in others if entry.trained][: SHOWN - 1 - len(counted)]
    rest = [entry for entry in others if entry not in counted + trained]
    chosen = trained + counted
    return [reference, *chosen, *rest[: SHOWN - 1 - len(chosen)]]


def _plot(split: Split, entries: list[Entry], ranks: RanksOfSeeds) -> Plot:
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.5, 0.5],
        horizontal_spacing=0.1,
        subplot_titles=(f"{entries[0].label}: where the targets land", "MRR@20"),
    )
    names = [split.names[place] for place in split.used()]
    shares = _shares(split, ranks[entries[0].key])[split.used()]
    for place, name in enumerate(RANK_NAMES):
        figure.add_bar(
            x=names,
            y=100 * shares[:, place],
            name=name,
            marker={"color": SEQUENCE[place], "line": {"width": 0}},
            hovertemplate=f"%{{x}}: %{{y:.1f}} % {name}<extra></extra>",
            customdata=[entries[0].runs[0]] * len(names),
            row=1,
            col=1,
        )
    _lines(figure, split, entries, ranks, names)
    turned = max(map(len, names)) > LEVEL
    below = 140 if turned else 110
    styled(figure, split.across, height=320 + below, barmode="stack", bargap=0.12)
    figure.update_layout(
        margin={"t": 40, "r": 150, "b": below},
        legend={"y": -below / 400, "yanchor": "top", "traceorder": "normal"},
    )
    figure.update_xaxes(tickangle=-35 if turned else 0, tickfont={"size": 11})
    figure.update_yaxes(title_text="per cent of rows", range=[0, 100], row=1, col=1)
    figure.update_annotations(selector={"xref": "paper"}, font={"size": 13})
    return Plot(
        split.title,
        "Left: share of rows by the rank of their target, dark is good. Right: the same rows, "
        "several models.",
        figure,
        _numbers(split, entries, ranks),
        tuple(entry.runs[0] for entry in entries),
    )


def _lines(
    figure: graph.Figure,
    split: Split,
    entries: list[Entry],
    ranks: RanksOfSeeds,
    names: list[str],
) -> None:
    ends, highest = [], 0.0
    for entry in entries:
        scores = _scores(split, ranks[entry.key])[split.used()]
        highest = max(highest, float(scores.max()))
        shade = color(entry) if entry.trained else _grey(entries, entry)
        figure.add_scatter(
            x=names,
            y=scores,
            name=entry.label,
            mode="lines+markers",
            showlegend=False,
            line={
                "color": shade,
                "width": 3 if shade == ACCENT else 1.6,
                "dash": "solid" if entry.trained else _dash(entries, entry),
            },
            marker={"size": 5},
            customdata=[entry.runs[0]] * len(names),
            hovertemplate=f"{entry.label}<br>%{{x}}: %{{y:.2f}}<extra></extra>",
            row=1,
            col=2,
        )
        ends.append((len(names) - 1.0, float(scores[-1]), entry.label, shade))
    labels = graph.Figure()
    top = 1.08 * highest or 1.0
    end_labels(labels, ends, -0.02 * top, top)
    for label in labels.layout.annotations:
        figure.add_annotation(label, xref="x2", yref="y2")
    figure.update_yaxes(range=[-0.03 * top, top], row=1, col=2)


def _grey(entries: list[Entry], entry: Entry) -> str:
    return GREYS[_counted_place(entries, entry) % len(GREYS)]


def _dash(entries: list[Entry], entry: Entry) -> str:
    return DASHES[_counted_place(entries, entry) % len(DASHES)]


def _counted_place(entries: list[Entry], entry: Entry) -> int:
    return [e.key for e in entries if not e.trained].index(entry.key)


def rank_shares(split: Split, ranks: IntArray) -> NDArray[np.float64]:
    """Share of each bin's rows in each class of ranks, ``[bins, classes]``; rows sum to 1."""
    unseen = len(RANK_NAMES) - 1
    rank_class = np.searchsorted(np.asarray(RANK_EDGES), ranks, side="right") - 1
    rank_class = np.where(ranks == 0, unseen, rank_class)
    cells = split.bin_of_row * len(RANK_NAMES) + rank_class
    counts = np.bincount(cells, minlength=len(split.names) * len(RANK_NAMES))
    counts = counts.reshape(len(split.names), len(RANK_NAMES))
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares


def mean_by_bin(split: Split, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of a value of the rows in each bin, ``[bins]``; 0 in an empty one."""
    sums = np.bincount(split.bin_of_row, weights=values, minlength=len(split.names))
    means: NDArray[np.float64] = sums / np.maximum(split.rows, 1)
    return means


def _shares(split: Split, of_seeds: Sequence[IntArray]) -> NDArray[np.float64]:
    """:func:`rank_shares`, mean over the seeds, ``[bins, classes]``."""
    shares: NDArray[np.float64] = np.mean([rank_shares(split, one) for one in of_seeds], axis=0)
    return shares


def _scores(split: Split, of_seeds: Sequence[IntArray]) -> NDArray[np.float64]:
    """MRR@20 of each bin in per cent, mean over the seeds, ``[bins]``."""
    found = [mean_by_bin(split, reciprocal_ranks(one, 20)) for one in of_seeds]
    scores: NDArray[np.float64] = 100 * np.mean(found, axis=0)
    return scores


def _numbers(split: Split, entries: list[Entry], ranks: RanksOfSeeds) -> Table:
    used = split.used()
    counts = [Value(f"{split.rows[place]:,}") for place in used]
    rows: list[list[Value]] = [[Value("rows"), *counts]]
    for entry in entries:
        scores = _scores(split, ranks[entry.key])
        name = Value(f"{entry.label}, MRR@20", entry.runs[0])
        rows.append([name, *(Value(f"{scores[place]:.2f}") for place in used)])
    shares = _shares(split, ranks[entries[0].key])
    for number, rank_name in enumerate(RANK_NAMES):
        told = [Value(f"{100 * shares[place, number]:.1f}") for place in used]
        label = Value(f"{entries[0].label}, share {rank_name}", entries[0].runs[0])
        rows.append([label, *told])
    return Table("", [split.across, *(split.names[place] for place in used)], rows)
