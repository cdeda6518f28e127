"""The page holds everything, needs nothing, and links every figure to its record."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.groups import comparable
from recbole_a2d.benchmark.page import Part, anchors
from recbole_a2d.benchmark.report import main, paper_parts, write_report
from recbole_a2d.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def page(record_maker: Any, folder: Path, shop_data: Path) -> tuple[str, str, list[str]]:
    """HTML, Markdown and the runs of a results folder with something of everything."""
    make_record = record_maker(folder)
    records = [
        make_record(),
        make_record("GRU4Rec", good=0.2),
        make_record("Pop", trained=False, good=0.05),
        make_record(variant="wo_cate", good=0.25),
        make_record(category_weight=0.1),
        make_record(session_bank="batch_leaky", good=0.6),
        make_record("STAMP", protocol="test_selected"),
        make_record("NARM", preset="paper"),
    ]
    out = write_report(folder, folder / "report.html", shop_data)
    markdown = out.with_suffix(".md").read_text(encoding="utf-8")
    return out.read_text(encoding="utf-8"), markdown, [record.run for record in records]


def test_page_needs_no_network(page: tuple[str, str, list[str]]) -> None:
    html = page[0]
    assert len(html) > 3_000_000, "plotly is inside"
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", html)
    assert "@import" not in html.split("</style>")[0]


def test_page_holds_its_parts(page: tuple[str, str, list[str]]) -> None:
    html = page[0]
    for title in ("Table 2: models", "Table 3", "Figure 3", "Leak audit", "Data set shop"):
        assert f"{title}" in html
    for title in ("Time against accuracy", "Learning curves", "Ranks by prefix length"):
        assert f"<b>{title}</b>" in html
    assert "<b>Ranks by popularity of the target</b>" in html
    assert "<b>Attention of A2D-MTL</b>" in html
    assert "protocol test_selected" in html and "preset paper" in html


def test_every_link_leads_somewhere(page: tuple[str, str, list[str]]) -> None:
    html, _, runs = page
    body = html[html.index("<body>") :]
    anchors = re.findall(r"\bid='([^']+)'", body)
    assert len(anchors) == len(set(anchors))
    inner = re.findall(r"href='#([^']+)'", body)
    assert set(inner) <= set(anchors)
    for run in runs:
        assert f"record-{run}" in anchors
        assert body.count(f"#record-{run}'") >= 1, "something links to the record"
        assert f"href='records/{run}.json'" in body


def test_every_plot_has_numbers_and_records(page: tuple[str, str, list[str]]) -> None:
    figures = re.findall(r"<figure>.*?</figure>", page[0], flags=re.DOTALL)
    assert len(figures) >= 7
    for figure in figures:
        assert "<table>" in figure and "href='#record-" in figure


def test_markdown_twin(page: tuple[str, str, list[str]], folder: Path) -> None:
    markdown, runs = page[1], page[2]
    assert "## Table 2: models" in markdown and "**Learning curves.**" in markdown
    for target in re.findall(r"\]\((records/[^)]+)\)", markdown):
        assert (folder / target).exists()
    assert sum(f"records/{run}.json" in markdown for run in runs) == len(runs)


def test_what_was_not_run_says_how(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    make_record("GRU4Rec")
    out = write_report(tmp_path / "results", tmp_path / "r.html", shop_data)
    assert "benchmark leak --dataset NAME" in out.read_text(encoding="utf-8")


def blocks(records: list[Any], folder: Path) -> dict[str, list[Any]]:
    """What stands in the sections about the paper, by title."""
    parts = paper_parts(comparable(records), Statistics(folder, folder))
    return {part.title.partition(":")[0]: part.blocks for part in parts}


def test_other_data_sets_stand_beside_the_papers(make_record: Any, tmp_path: Path) -> None:
    records = [
        make_record(dataset="tmall", fingerprint="t"),
        make_record(),
        make_record(category_weight=0.4),
        make_record(session_bank="batch_leaky"),
        make_record(variant="wo_cate"),
    ]
    found = blocks(records, tmp_path)
    (figure3,), (audit,) = found["Figure 3"], found["Leak audit"]
    assert {row[0].text for row in figure3.numbers.rows} == {"shop"}
    assert audit.title.startswith("shop")
    assert [head for table in found["Table 2"] for head, _ in table.spans] == ["", "tmall"]
    assert [head for table in found["Table 3"] for head, _ in table.spans] == ["", "shop"]


@pytest.mark.parametrize("scale", [{"protocol": "test_selected"}, {"train_fraction": 0.25}])
def test_no_section_is_empty(make_record: Any, tmp_path: Path, scale: Any) -> None:
    found = blocks([make_record(**scale)], tmp_path)
    assert found["Table 2"] == [
        "Not run under protocol clean on all training sessions yet: "
        "python run_recbole_a2d.py benchmark table2 --dataset NAME"
    ]
    assert all(len(told) == 1 for told in found.values())


def test_without_data_the_page_is_made_all_the_same(make_record: Any, tmp_path: Path) -> None:
    make_record(fingerprint="x"), make_record("GRU4Rec", fingerprint="x")
    out = write_report(tmp_path / "results", tmp_path / "r.html", tmp_path)
    html = out.read_text(encoding="utf-8")
    assert "No marks for shop" in html and "Ranks by prefix length" not in html


class Attributes(HTMLParser):
    """Ids, links and names of attributes, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links |= {value or "" for name, value in attrs if name == "href"}
        self.names |= {name for name, _ in attrs}


@pytest.mark.parametrize("run", ["a' onclick='alert(1)", 'b" 100%<b>', "c#?&amp;"])
def test_no_name_of_a_record_breaks_out(
    make_record: Any, tmp_path: Path, shop_data: Path, run: str
) -> None:
    record = make_record()
    for folder, kind in (("records", "json"), ("ranks", "npz")):
        path = tmp_path / "results" / folder / f"{record.run}.{kind}"
        path.rename(path.with_name(f"{run}.{kind}"))
    path = tmp_path / "results" / "records" / f"{run}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run": run}))
    out = write_report(tmp_path / "results", tmp_path / "results" / "r.html", shop_data)
    found = Attributes(out.read_text(encoding="utf-8").split("<body>")[-1])
    assert f"record-{run}" in found.ids
    inner = {unquote(link[1:]) for link in found.links if link.startswith("#")}
    assert f"record-{run}" in inner
    assert inner <= set(found.ids)
    outer = {unquote(link) for link in found.links if not link.startswith("#")}
    assert outer == {f"records/{run}.json"}
    assert "onclick" not in found.names


def test_a_command_that_is_no_text_is_shown_all_the_same(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    """A file may be named by bytes that are no UTF-8."""
    record = make_record()
    path = tmp_path / "results" / "records" / f"{record.run}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"command": "--config caf\udce9.yaml"}))
    out = write_report(tmp_path / "results", tmp_path / "r.html", shop_data)
    assert "--config caf\\udce9.yaml" in out.read_text(encoding="utf-8")


def test_sections_with_like_titles_have_names_of_their_own() -> None:
    parts = [Part(title, 2) for title in ("my-shop", "my_shop", "My shop!", "other")]
    assert anchors(parts) == ["my-shop", "my-shop-2", "my-shop-3", "other"]


@pytest.mark.parametrize("place", ["results/r.html", "r.html", "else where/deep/r.html"])
def test_links_lead_to_the_records_from_anywhere(
    make_record: Any, tmp_path: Path, shop_data: Path, place: str
) -> None:
    run = make_record().run
    out = write_report(tmp_path / "results", tmp_path / place, shop_data)
    for path, link in ((out, r"href='([^#'][^']*)'"), (out.with_suffix(".md"), r"\]\(([^)]+)\)")):
        page = path.read_text(encoding="utf-8").split("<body>")[-1]
        targets = {unquote(target) for target in re.findall(link, page)}
        assert targets
        assert {(out.parent / target).resolve().stem for target in targets} == {run}
        assert all((out.parent / target).exists() for target in targets)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("page.md", "that is the name of its Markdown twin"),
        ("page.MD", "that is the name of its Markdown twin"),
        ("folder", "folder is a folder; name a file"),
        ("taken.html", "taken.md is a folder; name a file"),
        (".", "is a folder; name a file"),
        ("file/page.html", "cannot be written to .*; choose --out FILE"),
    ],
)
def test_a_place_that_cannot_be_is_refused(
    make_record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, told: str
) -> None:
    make_record()
    (tmp_path / "folder").mkdir(), (tmp_path / "taken.md").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=told):
        main(["--out", place])
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no records"):
        main(["--results", str(tmp_path)])
    with pytest.raises(UserError, match="unknown option --colour"):
        main(["--colour=red"])
    assert not list(tmp_path.iterdir())
