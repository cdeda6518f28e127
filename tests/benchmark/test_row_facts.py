"""Facts of the test rows against plain loops, and how they are kept."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_a2d.benchmark.row_facts import RowFacts, facts_of, row_facts
from recbole_a2d.data.phases import ExperimentData
from recbole_a2d.errors import UserError


def test_facts_are_those_of_a_loop(shop_test: ExperimentData) -> None:
    tables, facts = shop_test.tables, facts_of(shop_test)
    clicks = Counter([*tables.train.items.tolist(), *tables.valid.items.tolist()])
    row = 0
    for number in range(len(tables.test)):
        session = tables.test[number].tolist()
        for length in range(1, len(session)):
            assert facts.session[row] == number
            assert facts.prefix_length[row] == length
            assert facts.target_clicks[row] == clicks[session[length]]
            assert facts.repeat[row] == (session[length] in session[:length])
            row += 1
    assert row == len(facts) and 0 < facts.repeat.sum() < row


def test_kept_facts_need_no_data(
    tmp_path: Path, shop_data: Path, shop_test: ExperimentData
) -> None:
    fingerprint = shop_test.fingerprint()
    first = row_facts(tmp_path, "shop", fingerprint, shop_data)
    row_facts.cache_clear()
    again = row_facts(tmp_path, "shop", fingerprint, Path("/nowhere"))
    assert first is not None and again is not None
    np.testing.assert_array_equal(first.session, again.session)
    np.testing.assert_array_equal(first.target_clicks, again.target_clicks)


def test_other_data_of_that_name_is_not_taken(tmp_path: Path, shop_data: Path) -> None:
    assert row_facts(tmp_path, "shop", "0123", shop_data) is None
    assert not (tmp_path / "rows").exists()


def test_no_data_no_facts(tmp_path: Path) -> None:
    assert row_facts(tmp_path, "nonesuch", "0123", tmp_path) is None


@pytest.mark.parametrize("damage", [lambda b: b"no zip", lambda b: b"", lambda b: b[:-30]])
def test_damaged_file_is_named(
    damage: Callable[[bytes], bytes], tmp_path: Path, shop_data: Path, shop_test: ExperimentData
) -> None:
    fingerprint = shop_test.fingerprint()
    row_facts(tmp_path, "shop", fingerprint, shop_data)
    (path,) = (tmp_path / "rows").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    row_facts.cache_clear()
    with pytest.raises(UserError, match="delete it and run again"):
        row_facts(tmp_path, "shop", fingerprint, shop_data)


def test_columns_of_unequal_length_are_damage(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    columns = {field.name: np.ones(3, int) for field in dataclasses.fields(RowFacts)}
    np.savez(tmp_path / "rows" / "shop-1.npz", **columns | {"repeat": np.ones(2, int)})
    with pytest.raises(UserError, match="columns of unequal length"):
        row_facts(tmp_path, "shop", "1", tmp_path)


@pytest.mark.parametrize(
    ("name", "column", "told"),
    [
        ("prefix_length", np.zeros(3, int), "prefix_length has a number below"),
        ("target_clicks", np.full(3, -1), "target_clicks has a number below"),
        ("target_clicks", np.full(3, np.nan), "target_clicks is no column of whole numbers"),
        ("session", np.ones((3, 1), int), "session is no column of whole numbers"),
    ],
)
def test_columns_that_cannot_be_are_damage(
    tmp_path: Path, name: str, column: np.ndarray, told: str
) -> None:
    (tmp_path / "rows").mkdir()
    columns = {field.name: np.ones(3, int) for field in dataclasses.fields(RowFacts)}
    np.savez(tmp_path / "rows" / "shop-1.npz", **columns | {name: column})
    with pytest.raises(UserError, match=f"{told}.*delete it and run again"):
        row_facts(tmp_path, "shop", "1", tmp_path)


def test_who_only_reads_is_warned(
    tmp_path: Path,
    shop_data: Path,
    shop_test: ExperimentData,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "rows").write_text("in the way")
    found = row_facts(tmp_path, "shop", shop_test.fingerprint(), shop_data)
    assert found is not None and len(found) > 0
    assert "not kept" in caplog.text
