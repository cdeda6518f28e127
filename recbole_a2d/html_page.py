"""What every page of the package is: one file that needs no network."""

from __future__ import annotations

import html
from pathlib import Path

from recbole_a2d.errors import UserError, reason
from recbole_a2d.safe_write import replaced_file


def html_page(title: str, style: str, body: str, script: str = "") -> str:
    """A page as text.

    Args:
        title: of the browser's window, as plain text.
        style: its style sheet.
        body: its content, as HTML.
        script: run before the body is read.
    """
    scripts = f"<script>{script}</script>" if script else ""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{style}</style>{scripts}</head>"
        f"<body>{body}</body></html>\n"
    )


def write_text(path: Path, text: str) -> Path:
    """Write a page, whole or not at all.

    Raises:
        UserError: the place cannot be written.
    """
    try:
        with replaced_file(path) as beside:
            # A command may name a file by bytes that are no text.
            beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({reason(error)})") from error
    return path
