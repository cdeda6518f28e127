"""Tables: the paper's column apart, missing cells told, best and marks where they belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d import cli
from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.details import details_tables
from recbole_a2d.benchmark.figures.ranks import rank_plots
from recbole_a2d.benchmark.groups import Scale, comparable
from recbole_a2d.benchmark.layout import Table, Value, to_html, to_markdown
from recbole_a2d.benchmark.returns import returns_table
from recbole_a2d.benchmark.side_by_side import main_groups, side_by_side, table2_rows, table3_rows
from recbole_a2d.benchmark.table import audit_tables, main, markdown_table, paper_tables
from recbole_a2d.errors import UserError


def table2(records: list[Any], statistics: Statistics | None = None) -> Table:
    groups = main_groups(comparable(records), Scale("cpu"))
    return side_by_side("t", table2_rows(), groups, statistics, "table2")


def row(table: Table, name: str) -> list[Value]:
    (found,) = [line for line in table.rows if line[0].text == name]
    return list(found[1:])


def test_papers_figures_have_a_column_of_their_own(make_record: Any) -> None:
    table = table2([make_record(dataset="tmall", good=0.3)])
    assert list(table.columns) == ["model", "P@20", "paper", "MRR@20", "paper"]
    ours, paper, _, paper_mrr = row(table, "A2D-MTL")
    assert float(ours.text) == pytest.approx(30, abs=1) and ours.run and ours.strong
    assert (paper.text, paper_mrr.text) == ("41.38", "17.43")
    assert paper.muted and not paper.run and not paper.strong


def test_what_has_no_record_is_missing(make_record: Any) -> None:
    table = table2([make_record(dataset="tmall")])
    assert [value.text for value in row(table, "CLHHN")] == ["missing", "41.20", "missing", "16.39"]
    assert [value.text for value in row(table, "VSKNN")] == ["missing", "\u2013"] * 2


def test_changed_settings_do_not_pass_for_the_model(make_record: Any) -> None:
    records = [
        make_record(dataset="tmall", session_bank="batch_leaky", good=0.9),
        make_record("GRU4Rec", dataset="tmall", learning_rate=0.5),
    ]
    table = table2(records)
    assert row(table, "A2D-MTL")[0].text == "missing"
    assert row(table, "GRU4Rec (RecBole)")[0].text == "missing"


def test_one_run_may_stand_in_two_rows_and_counts_once(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    records = [make_record(), make_record("GRU4Rec", good=0.6), make_record(variant="with_memory")]
    table = table2(records, Statistics(tmp_path / "results", shop_data))
    assert row(table, "A2D-MTL with memory") == row(table, "A2D-MTL with chosen options")
    alone = table2(records[:2], Statistics(tmp_path / "results", shop_data))
    assert row(table, "GRU4Rec (RecBole)") == row(alone, "GRU4Rec (RecBole)")


def test_selected_on_test_stays_out(make_record: Any) -> None:
    records = [make_record("STAMP"), make_record(protocol="test_selected", good=0.9)]
    assert row(table2(records), "A2D-MTL")[0].text == "missing"


def test_seeds_marks_and_notes(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    records = [make_record(seed=s, good=g) for s, g in ((1, 0.3), (2, 0.34))]
    records.append(make_record("GRU4Rec", good=0.05))
    table = table2(records, Statistics(tmp_path / "results", shop_data))
    value = row(table, "A2D-MTL")[0]
    mean, spread = value.text.split(" ± ")
    assert float(mean) == pytest.approx(32, abs=1) and 1 < float(spread) < 5
    assert value.strong and value.mark == ""
    assert row(table, "GRU4Rec (RecBole)")[0].mark == "▼"
    notes = " ".join(table.notes)
    assert all(word in notes for word in ("clean", "preset cpu", "seeds 1, 2", "abc", "▲ ▼"))


def test_no_marks_without_the_sessions(make_record: Any, tmp_path: Path) -> None:
    records = [make_record(fingerprint="x"), make_record("GRU4Rec", fingerprint="x", good=0.01)]
    table = table2(records, Statistics(tmp_path / "results", tmp_path))
    assert "No marks for shop" in " ".join(table.notes)
    assert row(table, "GRU4Rec (RecBole)")[0].mark == ""


def test_table3_only_where_ablations_were_run(make_record: Any) -> None:
    plain, ablated = make_record(dataset="tmall"), make_record(dataset="tmall", variant="wo_exp")
    assert len(paper_tables(comparable([plain]), None)) == 1
    third = paper_tables(comparable([plain, ablated]), None)[1]
    assert [value.text for value in row(third, "A2D-MTL w/o EXP")][1::2] == ["36.54", "16.29"]
    assert row(third, "A2D-MTL w/o GRAPH")[0].text == "missing"
    assert len(table3_rows()) == 7


def test_notes_name_the_seeds_and_commits_of_the_printed_rows(make_record: Any) -> None:
    ours = [make_record(dataset="tmall"), make_record(dataset="tmall", variant="wo_exp", seed=2)]
    rival = replace(make_record("STAMP", dataset="tmall", seed=77), commit="elsewhere")
    second, third = paper_tables(comparable([*ours, rival]), None)
    assert "seeds 77, 2026" in second.notes[0] and "elsewhere" in second.notes[0]
    assert "seeds 2, 2026" in third.notes[0] and "elsewhere" not in third.notes[0]


def test_runs_on_a_share_have_tables_of_their_own(make_record: Any) -> None:
    quarter = {"dataset": "tmall", "train_fraction": 0.25}
    records = [make_record(dataset="tmall", good=0.5), make_record(**quarter, good=0.3)]
    records.append(make_record(**quarter, variant="wo_exp", good=0.1))
    second, third = paper_tables(comparable(records), None)
    assert second.title == "Table 2, preset cpu: models"
    assert float(row(second, "A2D-MTL")[0].text) == pytest.approx(50, abs=1)
    assert third.title.startswith("Table 3, preset cpu, 25% of the training sessions")
    assert float(row(third, "A2D-MTL")[0].text) == pytest.approx(30, abs=1)
    assert float(row(third, "A2D-MTL w/o EXP")[0].text) == pytest.approx(10, abs=1)


def test_leak_audit_of_a_share(make_record: Any, tmp_path: Path) -> None:
    leaky = {"train_fraction": 0.25, "session_bank": "batch_leaky"}
    records = [make_record(train_fraction=0.25), make_record(**leaky, good=0.5)]
    for order, good in (("file", 0.8), ("shuffled", 0.2)):
        records.append(make_record(**leaky, evaluation_order=order, good=good))
    (table,) = audit_tables(comparable(records)[0], tmp_path)
    told = [float(value.text) for value in row(table, "session_bank: batch_leaky")[:3]]
    assert told == pytest.approx([80, 20, 50], abs=1)
    assert audit_tables(comparable(records[:1])[0], tmp_path) == []


def test_an_audit_with_further_settings_has_a_table_of_its_own(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    records = [make_record(good=0.3), make_record(session_bank="train", good=0.25)]
    for further in ({"bank_neighbors": 2}, {"variant": "with_memory"}):
        records.append(make_record(session_bank="batch_leaky", good=0.5, **further))
        leaky = {"session_bank": "batch_leaky", "evaluation_order": "file"}
        records.append(make_record(**leaky, good=0.9, **further))
    (group,) = comparable(records)
    plain, *further_audits = audit_tables(group, tmp_path)
    assert plain.title == "Leak audit" and len(plain.rows) == 2
    assert [table.title for table in further_audits] == [
        "Leak audit of A2D-MTL bank_neighbors=2",
        "Leak audit of A2D-MTL with memory",
    ]
    for table in further_audits:
        file_order, _, by_length = row(table, "session_bank: batch_leaky")[:3]
        assert float(file_order.text) == pytest.approx(90, abs=1)
        assert float(by_length.text) == pytest.approx(50, abs=1)
    printed = markdown_table(group, Statistics(tmp_path / "results", shop_data))
    assert "batch_leaky" not in printed and "evaluation_order" not in printed


def test_a_group_of_the_audit_alone_has_no_results(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    (group,) = comparable([make_record(session_bank="batch_leaky", epochs=3)])
    statistics = Statistics(tmp_path / "results", shop_data)
    assert "| model" not in markdown_table(group, statistics)
    assert returns_table(group, statistics) is None and rank_plots(group, statistics) == []
    assert len(audit_tables(group, tmp_path)) == 1


def test_details_tell_differences(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    group = comparable([make_record(good=0.3), make_record("STAMP", good=0.1)])[0]
    text = markdown_table(group, Statistics(tmp_path / "results", shop_data))
    line, of_kinds = [line for line in text.splitlines() if line.startswith("| STAMP")]
    assert of_kinds.count("|") == 6, "the table of returns and new items has a row of it too"
    assert "▼" in line and "| \u2212" in line and "<0.001" in line
    assert "reference" in text
    assert "Δ" not in markdown_table(group)


def test_lambdas_have_a_table_of_their_own(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    records = [make_record(category_weight=w, good=0.5 - w) for w in (0.4, 0.25, 0.1)]
    records.append(make_record("STAMP"))
    group, statistics = comparable(records)[0], Statistics(tmp_path / "results", shop_data)
    models, weights, _ = details_tables(group, statistics)
    assert {line[0].text for line in models.rows} == {"A2D-MTL", "STAMP (RecBole)"}
    assert weights.columns[0] == "lambda" and "Figure 3" in weights.title
    assert [line[0].text for line in weights.rows] == ["0.1", "0.25", "0.4"]
    told = [float(line[1].text) for line in weights.rows]
    assert told == pytest.approx([40, 25, 10], abs=1)
    assert [line[4].text == "reference" for line in weights.rows] == [False, True, False]
    assert len(details_tables(comparable(records[1:2])[0])) == 1


def test_lambdas_are_compared_on_the_seeds_that_all_have(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    """A2D-MTL of more seeds is still the measure, and no rival of itself in Holm's correction."""
    records = [make_record(seed=seed, good=good) for seed, good in ((1, 0.2), (2, 0.4))]
    records.append(make_record(seed=2, category_weight=0.1, good=0.36))
    group, statistics = comparable(records)[0], Statistics(tmp_path / "results", shop_data)
    weights = details_tables(group, statistics)[1]
    assert [line[4].text == "reference" for line in weights.rows] == [False, True]
    figures = [float(line[1].text) for line in weights.rows]
    told, p = weights.rows[0][4].text, float(weights.rows[0][5].text)
    assert float(told.split()[0].replace("\u2212", "-")) == pytest.approx(
        figures[0] - figures[1], abs=0.011
    )
    alone = comparable(records[1:])[0]
    assert float(details_tables(alone, statistics)[1].rows[0][5].text) == p


def test_any_row_may_be_the_reference(
    make_record: Any, tmp_path: Path, shop_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_record(good=0.3), make_record("STAMP", good=0.1)
    where = ["--results", str(tmp_path / "results"), "--data_path", str(shop_data)]
    main([*where, "--reference", "STAMP (RecBole)"])
    lines = capsys.readouterr().out.splitlines()
    ours, others = (
        next(line for line in lines if line.startswith(name)) for name in ("| A2D-MTL", "| STAMP")
    )
    assert "▲" in ours and "reference" not in ours
    assert "reference" in others and "▲" not in others
    with pytest.raises(UserError, match="no row is named 'nobody'; there are: A2D-MTL, STAMP"):
        main([*where, "--reference", "nobody"])


def test_command(
    make_record: Any, tmp_path: Path, shop_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_record(), make_record("GRU4Rec")
    main(["--results", str(tmp_path / "results"), f"--data_path={shop_data}"])
    printed = capsys.readouterr().out
    assert "**Table 2, preset cpu: models**" in printed and "**shop**:" in printed


@pytest.mark.parametrize("left", [0, 40, -30])
def test_cut_ranks_are_named(
    make_record: Any,
    tmp_path: Path,
    shop_data: Path,
    capsys: pytest.CaptureFixture[str],
    left: int,
) -> None:
    make_record()
    path = tmp_path / "results" / "ranks" / f"{make_record('GRU4Rec').run}.npz"
    path.write_bytes(path.read_bytes()[:left])
    where = ["--results", str(tmp_path / "results"), "--data_path", str(shop_data)]
    for command in ("table", "report"):
        assert cli.main([command, *where]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"error: {path}: cannot be read (")
        assert error.endswith("run the model again")


def test_markdown_and_html_of_a_table() -> None:
    rows = [[Value("a|b"), Value("1", run="r", strong=True, mark="▲"), Value("<2>", muted=True)]]
    table = Table("T", ["m", "x", "x"], rows, ["note"], [("", 1), ("d", 1), ("e", 1)])
    markdown = to_markdown(table, lambda run: f"records/{run}.json")
    assert "| m | d x | e x |" in markdown
    assert "| a\\|b | **[1](records/r.json)** ▲ | <2> |" in markdown
    html = to_html(table, lambda run: f"#{run}")
    assert "<a href='#r'>1</a>" in html and "&lt;2&gt;" in html and "class='strong edge'" in html


def test_what_is_better_has_a_colour_of_its_own() -> None:
    table = Table("", ["m", "x", "y"], [[Value("a"), Value("1", mark="▲"), Value("2", mark="▼")]])
    html = to_html(table, lambda run: f"#{run}")
    assert "<span class='mark better'>▲</span>" in html and "<span class='mark'>▼</span>" in html
