"""The report as parts, and its two forms: one HTML page, and Markdown."""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from urllib.parse import quote

from plotly.offline import get_plotlyjs

from recbole_a2d.benchmark.figures.style import Plot
from recbole_a2d.benchmark.layout import Link, Table, to_html, to_markdown
from recbole_a2d.benchmark.page_style import SCRIPT, STYLE
from recbole_a2d.html_page import html_page
from recbole_a2d.records import Record

Block = str | Table | Plot


@dataclass
class Part:
    """A section: its title, its depth (2 or 3) and what stands in it, text by paragraphs."""

    title: str
    level: int
    blocks: list[Block] = field(default_factory=list)
    contents_title: str = ""


def anchors(parts: Sequence[Part]) -> list[str]:
    """Names of the parts in links; numbered where titles differ in signs alone."""
    names: list[str] = []
    for part in parts:
        kept = "".join(c if c.isalnum() else "-" for c in part.title.lower())
        plain = "-".join(filter(None, kept.split("-")))
        further = (f"{plain}-{number}" for number in count(2))
        names.append(next(name for name in chain([plain], further) if name not in names))
    return names


def report_page(
    title: str, intro: str, parts: Sequence[Part], records: Sequence[Record], file_of: Link
) -> str:
    """A page that needs no network: plotly, plots, tables and records in one file.

    Args:
        title, intro: above the parts.
        parts: its sections.
        records: all that the figures were made from.
        file_of: where the record of a run lies, as seen from the page.
    """
    names = anchors(parts)
    body = "".join(map(_html_part, names, parts))
    content = (
        f"<nav><p class='home'>{html.escape(title)}</p>{_contents(names, parts)}</nav>"
        f"<main><h1>{html.escape(title)}</h1><p class='lead'>{html.escape(intro)}</p>{body}"
        f"<h2 id='records'>Records</h2><p class='note'>What every figure of this page was made "
        f"from; the files hold all settings.</p>{_records(records, file_of)}</main>"
        f"<script>{SCRIPT}</script>"
    )
    return html_page(title, STYLE, content, get_plotlyjs())


def markdown_page(title: str, intro: str, parts: Sequence[Part], file_of: Link) -> str:
    """The same as Markdown: plots as the tables of their numbers, linked to the records' files."""
    lines = [f"# {title}", "", intro]
    for part in parts:
        lines += ["", "#" * part.level + f" {part.title}"]
        for block in part.blocks:
            lines += ["", _markdown_block(block, file_of)]
    return "\n".join(lines) + "\n"


def _markdown_block(block: Block, file_of: Link) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, Table):
        return to_markdown(block, file_of)
    about = f"**{block.title}.** {block.about}"
    return f"{about}\n\n{to_markdown(block.numbers, file_of)}"


def _contents(names: Sequence[str], parts: Sequence[Part]) -> str:
    links = "".join(
        f"<a class='level{part.level}' href='#{name}'>"
        f"{html.escape(part.contents_title or part.title)}</a>"
        for name, part in zip(names, parts, strict=True)
    )
    return f"{links}<a class='level2' href='#records'>Records</a>"


def _html_part(name: str, part: Part) -> str:
    blocks = "".join(
        _html_block(f"plot-{place}-{name}", block) for place, block in enumerate(part.blocks)
    )
    head = f"<h{part.level} id='{name}'>{html.escape(part.title)}</h{part.level}>"
    return f"<section>{head}{blocks}</section>"


def _html_block(name: str, block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{html.escape(block)}</p>"
    if isinstance(block, Table):
        return to_html(block, _anchor)
    drawn = block.figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displayModeBar": False, "responsive": True},
    )
    links = ", ".join(
        f"<a href='{_anchor(run)}'>{html.escape(run)}</a>" for run in dict.fromkeys(block.runs)
    )
    return (
        f"<figure><figcaption><b>{html.escape(block.title)}</b> {html.escape(block.about)}"
        f"</figcaption>{drawn}<details><summary>numbers and records</summary>"
        f"{to_html(block.numbers, _anchor)}<p class='note'>{links}</p></details></figure>"
    )


def _records(records: Sequence[Record], file_of: Link) -> str:
    ordered = sorted(records, key=lambda record: record.run)
    return "".join(_record(record, html.escape(file_of(record.run))) for record in ordered)


def _record(record: Record, file: str) -> str:
    facts = {
        "command": record.command,
        "protocol, preset, seed": f"{record.protocol}, {record.preset}, {record.seed}",
        "commit": record.commit or "unknown",
        "data": f"{record.dataset}, fingerprint {record.data_fingerprint}",
        "epochs, seconds": f"{record.epochs}, {record.seconds:.0f}",
        "machine": json.dumps(record.machine),
        "versions": json.dumps(record.versions),
        "test": ", ".join(f"{name} {100 * value:.2f}" for name, value in record.test.items()),
    }
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    return (
        f"<details class='record' id='{html.escape(f'record-{record.run}')}'>"
        f"<summary>{html.escape(record.run)}</summary>"
        f"<table class='facts'>{rows}</table><p class='note'>"
        f"<a href='{file}'>{file}</a>, all "
        f"settings: {html.escape(_settings(record))}</p></details>"
    )


def _settings(record: Record) -> str:
    return shlex.join(f"{key}={json.dumps(value)}" for key, value in record.config.items())


def _anchor(run: str) -> str:
    """Link to a record on the page: browsers look for the id that it stands for, decoded."""
    return f"#record-{quote(run, safe='')}"
