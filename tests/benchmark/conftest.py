"""Records and ranks made by hand, for tables and pages without training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_a2d.benchmark.row_facts import row_facts
from recbole_a2d.config import build_config, plain_settings
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import ExperimentData
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.records import Record, run_name, write_record

MakeRecord = Callable[..., Record]


@pytest.fixture(autouse=True)
def _forget_row_facts() -> None:
    row_facts.cache_clear()


@pytest.fixture(scope="session")
def shop_test(shop_data: Path) -> ExperimentData:
    """The small shop's phases."""
    settings = {"dataset": "shop", "train_fraction": 1.0, "MAX_ITEM_LIST_LENGTH": 50}
    return ExperimentData(read_atomic(shop_data / "shop"), settings)


@pytest.fixture(scope="session")
def record_maker(shop_test: ExperimentData) -> Callable[[Path], MakeRecord]:
    """Gives a function that writes a record with ranks to a results folder.

    ``good`` is the share of rows with rank 1; the others are beyond 20.
    """
    return partial(_maker, shop_test)


@pytest.fixture
def make_record(tmp_path: Path, record_maker: Callable[[Path], MakeRecord]) -> MakeRecord:
    """The same for ``tmp_path/results``."""
    return record_maker(tmp_path / "results")


def _maker(shop_test: ExperimentData, results: Path) -> MakeRecord:
    rows = len(shop_test.final.evaluation_rows)

    def make(
        model: str = "A2DMTL",
        *,
        good: float = 0.3,
        ranks: Any = None,
        dataset: str = "shop",
        fingerprint: str = "",
        trained: bool = True,
        **settings: Any,
    ) -> Record:
        extra = {k: settings.pop(k) for k in ("evaluation_order",) if k in settings}
        config = plain_settings(build_config(model, dataset, overrides=settings)) | extra
        if ranks is None:
            ranks = np.where(np.arange(rows) * 37 % rows < good * rows, 1, 50)
        record = Record(
            run=run_name(model, dataset, config["variant"], config),
            model=model,
            variant=config["variant"],
            dataset=dataset,
            preset=config["preset"],
            protocol=config["protocol"],
            seed=config["seed"],
            epochs=2 if trained else 0,
            seconds=100.0,
            train_rows=1000,
            test_rows=len(ranks),
            items=50,
            categories=5,
            test=metrics_from_ranks(ranks),
            valid={},
            command="python run_recbole_a2d.py",
            config=config,
            versions={},
            machine={},
            data_fingerprint=fingerprint or shop_test.fingerprint(),
            commit="abc",
            history=_history() if trained else [],
            diagnostics=_diagnostics() if model == "A2DMTL" else {},
        )
        write_record(results, record, ranks)
        return record

    return make


def _history() -> list[dict[str, Any]]:
    epochs = [{"phase": "select", "epoch": n, "valid": {"mrr@20": 0.1 + 0.01 * n}} for n in (0, 1)]
    return [*epochs, {"phase": "final", "epoch": 0, "valid": {}}]


def _diagnostics() -> dict[str, float]:
    return {
        "click_entropy": 0.9,
        "context_entropy": 0.99,
        "clicks_switched_off": 0.25,
        "alpha_ent": 1.5,
    }
