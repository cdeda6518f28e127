"""What a data set must hold for a phase of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.data.atomic import read_atomic, write_atomic
from recbole_a2d.data.phases import ExperimentData
from recbole_a2d.errors import UserError

CONFIG = {"dataset": "toy", "train_fraction": 1.0, "MAX_ITEM_LIST_LENGTH": 50}


def test_without_validation_sessions_the_option_is_named(tmp_path: Path, toy_log: Any) -> None:
    write_atomic(tmp_path / "toy", toy_log([[0, 1], [1, 0]], [[1, 0]], valid_fraction=0.0))
    data = ExperimentData(read_atomic(tmp_path / "toy"), CONFIG)
    with pytest.raises(UserError, match=r"toy: no validation session .* --valid-fraction above"):
        _ = data.select
    assert len(data.final.train) == 2, "what needs no validation can still be done"
