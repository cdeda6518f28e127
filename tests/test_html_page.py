"""The frame of every page."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_a2d.errors import UserError
from recbole_a2d.html_page import html_page, write_text


def test_a_title_is_text_and_the_rest_stands_as_given() -> None:
    page = html_page("a <b> & c", "p{margin:0}", "<p>é</p>", "let x=1<2;")
    assert page.startswith("<!doctype html><html lang='en'><head><meta charset='utf-8'>")
    assert "<title>a &lt;b&gt; &amp; c</title><style>p{margin:0}</style>" in page
    assert page.endswith("<script>let x=1<2;</script></head><body><p>é</p></body></html>\n")
    assert "<script>" not in html_page("t", "", "")


def test_writing(tmp_path: Path) -> None:
    path = write_text(tmp_path / "new" / "p.html", "é")
    assert path.read_text(encoding="utf-8") == "é"
    with pytest.raises(UserError, match=r"p\.html/q\.html: cannot be written"):
        write_text(path / "q.html", "")
