"""Tables as data, and their two forms: Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

NOTHING = "\u2013"
"""An en dash: there is no figure, and none is missing."""
BETTER, WORSE = "▲", "▼"
"""Signs of significance."""


@dataclass(frozen=True)
class Value:
    """One cell of a table.

    Attributes:
        text: what it says.
        run: the run it comes from, for a link.
        strong: the best of its column.
        muted: not ours, or missing.
        mark: sign of significance.
    """

    text: str
    run: str = ""
    strong: bool = False
    muted: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its notes.

    Attributes:
        title: above it.
        columns: heads; the first column is text, the others are figures.
        rows: a value for every column.
        notes: below it.
        spans: heads above the heads and how many columns each covers; empty: none.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    notes: Sequence[str] = field(default_factory=tuple)
    spans: Sequence[tuple[str, int]] = field(default_factory=tuple)


Link = Callable[[str], str]
"""From a run's name to where its record is found."""


def signed(value: float) -> str:
    """A difference in per cent with its sign, a true minus among them."""
    return f"{100 * value:+.2f}".replace("-", "\u2212")


def to_markdown(table: Table, link: Link | None = None) -> str:
    """The table as Markdown; heads of spans go before the heads they cover."""
    lines = [f"**{table.title}**", ""] if table.title else []
    lines.append("| " + " | ".join(_full_heads(table)) + " |")
    lines.append("| --- |" + " ---: |" * (len(table.columns) - 1))
    for row in table.rows:
        lines.append("| " + " | ".join(_markdown_value(value, link) for value in row) + " |")
    return "\n".join([*lines, *(f"\n{note}" for note in table.notes)])


def to_html(table: Table, link: Link) -> str:
    """The table as HTML."""
    edges = _edges(table)
    spans = "".join(
        f"<th colspan='{width}' class='span'>{html.escape(head)}</th>"
        for head, width in table.spans
    )
    heads = "".join(
        f"<th{_classes('edge' * (place in edges))}>{html.escape(head)}</th>"
        for place, head in enumerate(table.columns)
    )
    body = "".join(
        "<tr>" + "".join(_html_value(v, link, n in edges) for n, v in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    notes = "".join(f"<p class='note'>{html.escape(note)}</p>" for note in table.notes)
    title = f"<p class='caption'>{html.escape(table.title)}</p>" if table.title else ""
    head = (f"<tr>{spans}</tr>" if spans else "") + f"<tr>{heads}</tr>"
    return (
        f"{title}<div class='scroll'><table><thead>{head}</thead>"
        f"<tbody>{body}</tbody></table></div>{notes}"
    )


def _full_heads(table: Table) -> list[str]:
    prefixes = [head for head, width in table.spans for _ in range(width)]
    if not prefixes:
        return list(table.columns)
    return [
        f"{prefix} {head}".strip() for prefix, head in zip(prefixes, table.columns, strict=True)
    ]


def _markdown_value(value: Value, link: Link | None) -> str:
    text = value.text.replace("|", "\\|")
    if value.run and link is not None:
        text = f"[{text}]({link(value.run)})"
    if value.strong:
        text = f"**{text}**"
    return f"{text} {value.mark}".strip()


def _edges(table: Table) -> set[int]:
    """Columns that begin a span, the first span aside."""
    starts = accumulate((width for _, width in table.spans), initial=0)
    return set(starts) - {0, len(table.columns)}


def _html_value(value: Value, link: Link, edge: bool) -> str:
    text = html.escape(value.text)
    if value.run:
        text = f"<a href='{html.escape(link(value.run))}'>{text}</a>"
    better = "better" * (value.mark == BETTER)
    mark = f"<span{_classes('mark', better)}>{html.escape(value.mark)}</span>" if value.mark else ""
    names = _classes("strong" * value.strong, "muted" * value.muted, "edge" * edge)
    return f"<td{names}>{text}{mark}</td>"


def _classes(*names: str) -> str:
    given = " ".join(filter(None, names))
    return f" class='{given}'" if given else ""
