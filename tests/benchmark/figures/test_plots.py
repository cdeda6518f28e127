"""Plots show the records' figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.figures import ranks
from recbole_a2d.benchmark.figures.attention import attention
from recbole_a2d.benchmark.figures.leak import leak_plots
from recbole_a2d.benchmark.figures.learning import learning_curves
from recbole_a2d.benchmark.figures.time_accuracy import time_against_accuracy
from recbole_a2d.benchmark.figures.trends import trends
from recbole_a2d.benchmark.figures.weight import category_weight
from recbole_a2d.benchmark.groups import comparable
from recbole_a2d.benchmark.row_facts import RowFacts
from recbole_a2d.evaluation.metrics import reciprocal_ranks


def facts(length: int = 400) -> RowFacts:
    random = np.random.default_rng(0)
    return RowFacts(
        session=np.arange(length),
        prefix_length=random.integers(1, 30, length),
        target_clicks=random.integers(0, 900, length),
        repeat=np.zeros(length, np.int64),
    )


def test_bins_hold_every_row_where_it_belongs() -> None:
    known = facts()
    by_length, by_clicks = ranks.splits(known)
    for split, values in ((by_length, known.prefix_length), (by_clicks, known.target_clicks)):
        assert split.rows.sum() == len(known)
        for value, place in zip(values, split.bin_of_row, strict=True):
            low, _, high = split.names[place].rstrip("+").partition("-")
            assert int(low) <= value
            assert split.names[place].endswith("+") or value <= int(high or low)


def test_rank_shares_are_those_of_a_loop() -> None:
    known = facts()
    split = ranks.splits(known)[0]
    found = np.random.default_rng(1).choice([0, 1, 2, 5, 6, 10, 11, 20, 21, 100, 101, 999], 400)
    shares = ranks.rank_shares(split, found)
    bounds = [(1, 1), (2, 5), (6, 10), (11, 20), (21, 100), (101, 10**9), (0, 0)]
    for place in range(len(split.names)):
        inside = found[split.bin_of_row == place]
        for number, (low, high) in enumerate(bounds):
            expected = np.mean((inside >= low) & (inside <= high)) if len(inside) else 0
            assert shares[place, number] == pytest.approx(expected)


def test_mean_by_bin_is_the_metric_of_its_rows() -> None:
    split = ranks.splits(facts())[1]
    values = reciprocal_ranks(np.random.default_rng(2).integers(0, 50, 400), 20)
    means = ranks.mean_by_bin(split, values)
    assert (means * split.rows).sum() / 400 == pytest.approx(values.mean())


def test_rank_plots_show_leaders_only(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    names = ["GRU4Rec", "STAMP", "NARM", "CORE", "SRGNN", "GCEGNN"]
    records = [make_record(name, good=0.9 - 0.1 * n) for n, name in enumerate(names)]
    records += [make_record(good=0.01), make_record("Pop", trained=False, good=0.02)]
    records.append(make_record(variant="wo_cate", good=1.0))
    group = comparable(records)[0]
    shown = [entry.model for entry in ranks.leaders(group)]
    assert shown == ["A2DMTL", "GRU4Rec", "STAMP", "NARM", "CORE", "Pop"]
    plots = ranks.rank_plots(group, Statistics(tmp_path / "results", shop_data))
    assert [plot.title for plot in plots] == [
        "Ranks by prefix length",
        "Ranks by popularity of the target",
    ]
    assert len(plots[0].figure.data) == len(ranks.RANK_NAMES) + len(shown)


def test_rank_plots_are_means_over_the_seeds(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    group = comparable([make_record(seed=s, good=g) for s, g in ((1, 0.2), (2, 0.6))])[0]
    plot = ranks.rank_plots(group, Statistics(tmp_path / "results", shop_data))[0]
    counts, scores, first = (
        np.array([float(value.text.replace(",", "")) for value in row[1:]])
        for row in plot.numbers.rows[:3]
    )
    told = 100 * group.entries[0].mean("mrr@20")
    assert (counts * scores).sum() / counts.sum() == pytest.approx(told, abs=0.01)
    assert (counts * first).sum() / counts.sum() == pytest.approx(told, abs=0.1)
    assert list(plot.figure.data[-1].y) == pytest.approx(list(scores), abs=0.005)


def test_plots_of_one_seed_say_so(make_record: Any) -> None:
    group = comparable([make_record(seed=seed) for seed in (1, 2)])[0]
    alone = comparable([make_record("GRU4Rec")])[0]
    for plot in (learning_curves(group), attention(group)):
        assert plot is not None and plot.about.endswith("Of several seeds, the first.")
    plot = learning_curves(alone)
    assert plot is not None and "seeds" not in plot.about


def test_runs_on_a_share_have_no_popularity(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    (group,) = comparable([make_record(train_fraction=0.25)])
    plots = ranks.rank_plots(group, Statistics(tmp_path / "results", shop_data))
    assert [plot.title for plot in plots] == ["Ranks by prefix length"]


def test_learning_curves_skip_the_final_phase(make_record: Any) -> None:
    plot = learning_curves(comparable([make_record(), make_record("Pop", trained=False)])[0])
    assert plot is not None
    (line,) = plot.figure.data
    assert list(line.y) == pytest.approx([10.0, 11.0])
    assert learning_curves(comparable([make_record("Pop", trained=False)])[0]) is None


@pytest.mark.parametrize(
    ("protocol", "ranked"), [("clean", "validation"), ("test_selected", "test")]
)
def test_learning_curves_tell_which_rows(make_record: Any, protocol: str, ranked: str) -> None:
    plot = learning_curves(comparable([make_record(protocol=protocol)])[0])
    assert plot is not None
    assert plot.numbers.columns[0] == f"{ranked} MRR@20"
    assert plot.figure.layout.yaxis.title.text == f"{ranked} MRR@20, per cent"
    assert plot.about.startswith("Validation after") == (ranked == "validation")


def test_time_against_accuracy_shows_every_model(make_record: Any) -> None:
    plot = time_against_accuracy(comparable([make_record(), make_record("STAMP")])[0])
    assert plot is not None and len(plot.figure.data[0].x) == 2
    assert time_against_accuracy(comparable([make_record()])[0]) is None


def test_attention_shows_ablations_too(make_record: Any) -> None:
    group = comparable([make_record(), make_record(variant="wo_cate"), make_record("STAMP")])[0]
    plot = attention(group)
    assert plot is not None
    assert set(plot.figure.data[0].y) == {"A2D-MTL", "A2D-MTL w/o CATE"}
    assert list(plot.figure.data[2].x) == [25.0, 25.0]


def test_attention_needs_both_figures(make_record: Any) -> None:
    record = make_record()
    del record.diagnostics["clicks_switched_off"]
    assert attention(comparable([record])[0]) is None


def test_trends_are_lines_over_the_age_of_slices(make_record: Any) -> None:
    plain, short, long = make_record(), make_record(trend_slices=2), make_record(trend_slices=11)
    short.diagnostics.update(trend_1=0.5, trend_2=0.25)
    long.diagnostics.update({f"trend_{age}": 1 / age for age in range(1, 12)})
    plot = trends(comparable([plain, short, long])[0])
    assert plot is not None
    lines = sorted(list(line.y) for line in plot.figure.data)
    assert lines == [[0.5, 0.25], [1 / age for age in range(1, 12)]]
    assert sorted(row[1].text for row in plot.numbers.rows) == ["0.500", "1.000"]
    assert trends(comparable([plain])[0]) is None


def test_category_weight_is_a_line_over_lambda(make_record: Any) -> None:
    records = [make_record(category_weight=w, good=0.5 - w) for w in (0.4, 0.25, 0.1)]
    records += [make_record(seed=1, good=0.9), make_record("STAMP")]
    plot = category_weight("Preset cpu", comparable(records))
    assert plot is not None
    assert list(plot.figure.data[0].x) == [0.1, 0.25, 0.4]
    falling = list(plot.figure.data[0].y)
    assert falling == sorted(falling, reverse=True), "the seed that only one has is left out"
    assert category_weight("Preset cpu", comparable([make_record()])) is None


def test_leak_audit_lays_orders_side_by_side(make_record: Any) -> None:
    records = [
        make_record(dataset="diginetica", session_bank=bank, good=good, **order)
        for bank, order, good in (
            ("none", {}, 0.3),
            ("batch_leaky", {}, 0.5),
            ("batch_leaky", {"evaluation_order": "file"}, 0.8),
            ("batch_leaky", {"evaluation_order": "shuffled"}, 0.2),
        )
    ]
    names = [record.run for record in records]
    assert len(set(names)) == 4
    measured = {"batch_leaky": {"file": 0.77, "shuffled": 0.3}, "train": {"any": 0.24}}
    other = {"batch_leaky": {"file": 0.9, "shuffled": 0.9}}
    shares = {3: {"batch": 100, "shares": measured}, 5: {"batch": 100, "shares": other}}
    (plot,) = leak_plots(comparable(records)[0], shares)
    first, leaky = plot.numbers.rows
    assert [first[0].text, leaky[0].text] == ["as in results", "session_bank: batch_leaky"]
    told = [value.text for value in leaky[1:4]]
    assert [round(float(text), -1) for text in told] == [80, 20, 50]
    assert [value.text for value in leaky[-2:]] == ["77.0", "30.0"]
    written = [note.text for note in plot.figure.layout.annotations]
    assert "paper 61.94" in written and "paper 23.25" in written
    assert leak_plots(comparable(records[:1])[0], shares) == []
