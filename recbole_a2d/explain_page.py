"""An explanation as a small page that needs no network and no script."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from recbole_a2d.explain import ExplainedClick, Explanation, NearSession
from recbole_a2d.html_page import html_page, write_text

STYLE = """
:root{--ink:#1f2430;--soft:#6b7280;--line:#e3e6ec;--fill:#2f6fde;--pale:#dbe7fb;--back:#fff}
*{box-sizing:border-box}body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);
background:var(--back);max-width:920px;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.35rem;margin:0}h2{font-size:.95rem;margin:1.8rem 0 .6rem}
.soft{color:var(--soft)}small{color:var(--soft);font-size:.82rem;
font-weight:400}
section{border-bottom:1px solid var(--line);padding:1.4rem 0}
.clicks{display:flex;flex-wrap:wrap;gap:.5rem;align-items:flex-end}
.click{flex:0 0 auto;min-width:84px;max-width:140px;text-align:center}
.tower{height:90px;display:flex;flex-direction:column;justify-content:flex-end;
align-items:center;font-size:.85rem}
.tower i{display:block;width:46px;background:var(--fill);border-radius:4px 4px 0 0}
.name{border:1px solid var(--fill);border-radius:8px;padding:.3rem .4rem;overflow-wrap:anywhere;
font-weight:600}
.name small{display:inline-block;width:100%;font-weight:400}
.off .name{border:1px dashed var(--soft);color:var(--soft)}
.lost .name{border:1px dotted var(--soft);color:var(--soft);text-decoration:line-through}
.click>small{display:block;padding-top:.25rem}
.two{display:grid;grid-template-columns:1fr 1fr;gap:0 2.5rem}
@media(max-width:700px){.two{grid-template-columns:1fr}}
table{border-collapse:collapse;width:100%}td{padding:.18rem .5rem .18rem 0;vertical-align:middle}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;width:1%}
.bar{height:.75rem;background:var(--pale);border-radius:3px}
.bar i{display:block;height:100%;background:var(--fill);border-radius:3px;min-width:1px}
.near{display:flex;gap:.3rem;flex-wrap:wrap;align-items:center;margin:.35rem 0}
.near b{font-weight:400;width:3.4em;font-variant-numeric:tabular-nums}
.near span{border:1px solid var(--line);border-radius:6px;padding:0 .4rem;font-size:.88rem}
.near .same{background:var(--pale);border-color:var(--fill);font-weight:600}
"""

_MOST_SHOWN = 12
"""Clicks of a training session that are shown."""


def write_page(path: Path, explanations: Sequence[Explanation]) -> Path:
    """Write the page, whole or not at all.

    Raises:
        UserError: the place cannot be written.
    """
    sections = "".join(_section(explanation) for explanation in explanations)
    return write_text(path, html_page("Why these items", STYLE, sections))


def _section(explanation: Explanation) -> str:
    notes = "".join(f"<p class='soft'>{_text(note)}</p>" for note in explanation.notes)
    categories = near = ""
    if explanation.categories:
        categories = f"<h2>Expected next categories</h2>{_bars(explanation.categories)}"
    if explanation.near:
        rows = "".join(_near(session) for session in explanation.near)
        near = (
            f"<h2>Nearest training sessions <small>by {_text(explanation.nearness)}; "
            f"shared items are filled</small></h2>{rows}"
        )
    left, right = f"<div>{_answer(explanation)}</div>", f"<div>{categories}</div>"
    return (
        f"<section><h1>{_text(explanation.model)}</h1><span class='soft'>{_text(explanation.run)}"
        f"</span>{notes}<h2>The session, oldest click first "
        f"<small>{_legend(explanation)}</small></h2>"
        f"{_clicks(explanation)}<div class='two'>{left}{right}</div>{near}</section>"
    )


def _legend(explanation: Explanation) -> str:
    parts = []
    if explanation.alpha is not None:
        parts.append(
            f"height: weight of the click (alpha_ent {explanation.alpha:.2f}: 1 keeps all clicks, "
            "2 is sparsest)"
        )
    if any(click.rank_without is not None for click in explanation.clicks):
        parts.append("below: place of the first recommendation had this click not happened")
    return "; ".join(parts)


def _clicks(explanation: Explanation) -> str:
    highest = max((click.weight or 0.0 for click in explanation.clicks), default=0.0)
    return f"<div class='clicks'>{''.join(_click(c, highest) for c in explanation.clicks)}</div>"


def _click(click: ExplainedClick, highest: float) -> str:
    tower, kind = "", ""
    if not click.used:
        kind, remark = "lost", "left out"
    else:
        remark = _remark(click)
    if click.switched_off:
        kind, tower = "off", "off"
    elif click.weight is not None:
        pixels = round(66 * click.weight / highest) if highest else 0
        tower = f"{100 * click.weight:.0f} %<i style='height:{max(pixels, 2)}px'></i>"
    towers = f"<div class='tower'>{tower}</div>" if highest else ""
    return (
        f"<div class='click {kind}'>{towers}<div class='name'>{_text(click.item)}"
        f"<small>{_text(click.category) or '&nbsp;'}</small></div><small>{remark}</small></div>"
    )


def _remark(click: ExplainedClick) -> str:
    if click.rank_without is None:
        return "&nbsp;"
    return "still 1" if click.rank_without == 1 else f"1 &rarr; {click.rank_without}"


def _answer(explanation: Explanation) -> str:
    answer = explanation.answer
    heading = "The most popular items" if answer.popular else "Recommended"
    rows = "".join(
        f"<tr><td class='n soft'>{place}</td><td><b>{_text(item)}</b></td>"
        f"<td class='soft'>{_text(category)}</td><td class='n soft'>{_figure(score)}</td></tr>"
        for place, (item, category, score) in enumerate(
            zip(answer.items, explanation.answer_categories, answer.scores, strict=True), start=1
        )
    )
    return f"<h2>{heading}</h2><table>{rows}</table>"


def _figure(score: float) -> str:
    """Four digits, so that the figures of a column end alike; clicks are whole."""
    return f"{score:.0f}" if score.is_integer() else f"{score:#.4g}"


def _bars(categories: Sequence[tuple[str, float]]) -> str:
    rows = "".join(
        f"<tr><td class='n'>{_text(name)}</td><td><div class='bar'>"
        f"<i style='width:{100 * chance:.1f}%'></i></div></td>"
        f"<td class='n'>{100 * chance:.1f} %</td></tr>"
        for name, chance in categories
    )
    return f"<table>{rows}</table>"


def _near(session: NearSession) -> str:
    pairs = list(zip(session.items, session.shared, strict=True))
    chips = "".join(
        f"<span class='{'same' if shared else ''}'>{_text(item)}</span>"
        for item, shared in pairs[:_MOST_SHOWN]
    )
    more = f"<small>and {len(pairs) - _MOST_SHOWN} more</small>" if len(pairs) > _MOST_SHOWN else ""
    return f"<div class='near'><b>{session.similarity:.2f}</b>{chips}{more}</div>"


def _text(value: str) -> str:
    return html.escape(str(value))
