"""Figures by whether the target stands in its own prefix, against a plain walk over the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_a2d.benchmark.comparison import Statistics
from recbole_a2d.benchmark.groups import comparable
from recbole_a2d.benchmark.layout import NOTHING
from recbole_a2d.benchmark.returns import returns_table
from recbole_a2d.data.phases import ExperimentData


def returned(shop_test: ExperimentData) -> list[bool]:
    """Whether each test row's target stands in its prefix."""
    test = shop_test.tables.test
    found = []
    for start, end in zip(test.offsets[:-1], test.offsets[1:], strict=True):
        clicks = test.items[start:end].tolist()
        found += [clicks[place] in clicks[:place] for place in range(1, len(clicks))]
    return found


def test_each_kind_has_its_own_figures(
    make_record: Any, tmp_path: Path, shop_data: Path, shop_test: ExperimentData
) -> None:
    is_return = returned(shop_test)
    assert any(is_return) and not all(is_return)
    pointing = make_record("SPop", trained=False, ranks=np.where(is_return, 2, 0))
    other = make_record("Pop", trained=False, ranks=np.where(is_return, 40, 4))
    (group,) = comparable([pointing, other])
    table = returns_table(group, Statistics(tmp_path / "results", shop_data))
    assert table is not None
    assert table.columns == ["model", "return, P@20", "return, MRR@20", "new, P@20", "new, MRR@20"]
    rows = {row[0].text: [value.text for value in row[1:]] for row in table.rows}
    assert rows == {
        "S-Pop": ["100.00", "50.00", "0.00", "0.00"],
        "Pop": ["0.00", "0.00", "100.00", "25.00"],
    }
    strong = {row[0].text: [value.strong for value in row[1:]] for row in table.rows}
    assert strong == {"S-Pop": [True, True, False, False], "Pop": [False, False, True, True]}
    assert f"{100 * np.mean(is_return):.1f} %" in table.notes[0]


def test_seeds_are_averaged(
    make_record: Any, tmp_path: Path, shop_data: Path, shop_test: ExperimentData
) -> None:
    is_return = returned(shop_test)
    records = [
        make_record(seed=seed, ranks=np.where(is_return, rank, 1))
        for seed, rank in ((1, 2), (2, 4))
    ]
    (group,) = comparable(records)
    table = returns_table(group, Statistics(tmp_path / "results", shop_data))
    assert table is not None
    assert [value.text for value in table.rows[0][1:]] == ["100.00", "37.50", "100.00", "100.00"]


def test_a_kind_without_rows_has_no_figure(
    make_record: Any, tmp_path: Path, shop_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = comparable([make_record(good=1.0)])
    statistics = Statistics(tmp_path / "results", shop_data)
    facts = statistics.facts(group)
    assert facts is not None
    facts.repeat[:] = 0
    monkeypatch.setattr(statistics, "facts", lambda _: facts)
    table = returns_table(group, statistics)
    assert table is not None
    assert [value.text for value in table.rows[0][1:]] == [NOTHING, NOTHING, "100.00", "100.00"]


def test_rows_that_nobody_knows_make_no_table(make_record: Any, tmp_path: Path) -> None:
    (group,) = comparable([make_record(dataset="tmall", fingerprint="unknown")])
    assert returns_table(group, Statistics(tmp_path / "results", tmp_path)) is None
