"""What is left and how long it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_a2d.benchmark.plan import duration, left_text, plan, plan_text
from recbole_a2d.benchmark.suites import Cell
from recbole_a2d.checkpoint import save_checkpoint
from recbole_a2d.errors import UserError
from recbole_a2d.run_names import new_name


@pytest.fixture
def cell(tmp_path: Path, shop_data: Path) -> Callable[..., Cell]:
    """Makes cells whose places are below ``tmp_path``."""
    places = {"results_dir": str(tmp_path / "results"), "checkpoint_dir": str(tmp_path / "saved")}

    def make(model: str = "A2DMTL", dataset: str = "shop", **settings: Any) -> Cell:
        return Cell(model, dataset, settings | places | {"data_path": str(shop_data)})

    return make


def test_a_record_finishes_its_cell_and_no_other(cell: Any, make_record: Any) -> None:
    record = make_record("GRU4Rec")
    done, other = plan([cell("GRU4Rec"), cell("GRU4Rec", seed=1)], [record])
    assert done.finished and done.seconds_left == 0
    assert not other.finished and other.seconds_left == record.seconds


def test_missing_orders_leave_a_cell_unfinished(cell: Any, make_record: Any) -> None:
    make_record()
    whole = dataclasses.replace(cell(), orders=("file",))
    assert not plan([whole], [])[0].finished


def test_a_record_of_other_data_stops_the_plan(cell: Any, make_record: Any) -> None:
    record = make_record("GRU4Rec", fingerprint="another")
    with pytest.raises(UserError, match=f"{record.run}.json: made from other data"):
        plan([cell("GRU4Rec")], [record])


def test_a_cell_that_was_begun_anew_is_not_finished(
    tmp_path: Path, cell: Any, make_record: Any
) -> None:
    record = make_record("GRU4Rec")
    facts = {"history": [{"seconds": 20.0}]}
    path = tmp_path / "saved" / record.run / "select" / "last.pt"
    save_checkpoint(path, {"w": torch.ones(1)}, facts)
    (planned,) = plan([cell("GRU4Rec")], [record])
    assert not planned.finished and planned.epochs_done == 1


def test_equal_cells_count_once(cell: Any) -> None:
    assert len(plan([cell(), cell(category_weight=0.25)], [])) == 1


def test_epochs_done_are_seen_and_taken_off(tmp_path: Path, cell: Any, make_record: Any) -> None:
    record = make_record("GRU4Rec", seed=1)
    unfinished = cell("GRU4Rec")
    run = new_name(unfinished.config(), "GRU4Rec")
    facts = {"history": [{"seconds": 20.0}, {"seconds": 15.0}]}
    save_checkpoint(tmp_path / "saved" / run / "select" / "last.pt", {"w": torch.ones(1)}, facts)
    (planned,) = plan([unfinished], [record])
    assert planned.epochs_done == 2
    assert planned.seconds_left == record.seconds - 35
    assert "2 epochs done, about 65 s" in plan_text([planned])


def test_a_run_longer_than_its_like_has_no_estimate(
    tmp_path: Path, cell: Any, make_record: Any
) -> None:
    record = make_record("GRU4Rec", seed=1)
    unfinished = cell("GRU4Rec")
    run = new_name(unfinished.config(), "GRU4Rec")
    facts = {"history": [{"seconds": record.seconds + 1}]}
    save_checkpoint(tmp_path / "saved" / run / "select" / "last.pt", {"w": torch.ones(1)}, facts)
    (planned,) = plan([unfinished], [record])
    assert planned.seconds_left is None
    assert plan_text([planned]).splitlines()[0].endswith("1 epochs done")


def test_estimates_go_from_like_to_less_like(cell: Any, make_record: Any) -> None:
    def timed(seconds: float, rows: int = 1000, **facts: Any) -> Any:
        record = make_record(**facts)
        return dataclasses.replace(record, seconds=seconds, train_rows=rows)

    here = timed(100, model="GRU4Rec")
    counted = timed(1, model="Pop", trained=False)
    elsewhere = timed(600, rows=3000, model="STAMP", dataset="tmall")
    other_preset = timed(9999, model="SRGNN", preset="paper")
    known = [here, counted, elsewhere, other_preset]

    def estimate(**facts: Any) -> float | None:
        return plan([cell(seed=3, **facts)], known)[0].seconds_left

    assert estimate(model="GRU4Rec") == 100
    assert estimate(model="STAMP") == 200, "600 s for 3000 rows, 1000 rows here"
    assert estimate(model="SRGNN") == 100, "the median of what was trained here, same preset"
    assert estimate(model="SPop") == 1, "the median of what was counted here"
    assert estimate(model="NARM", dataset="diginetica") is None


def test_left_text(cell: Any, make_record: Any) -> None:
    record = make_record("GRU4Rec")
    planned = plan([cell(name, seed=5) for name in ("GRU4Rec", "STAMP")], [record])
    assert left_text(planned) == "2 of 2 cells left, about 3 min"
    unknown = plan([cell("STAMP")], [])
    assert left_text(unknown) == "1 of 1 cells left, 1 that no finished record tells the time of"


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (100, "2 min"), (5400, "90 min"), (11100, "3 h 05 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
