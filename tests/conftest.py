"""A small shop, converted once, for the tests that take the whole road."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from recbole_a2d import convert
from recbole_a2d.config import build_config

# The tensors of the tests are tiny: a second thread costs more than it brings, and where
# other programs want the processor too, threads that wait for each other cost minutes.
torch.set_num_threads(1)
# A busy machine is no failure: hypothesis' deadline of 200 ms would make it one.
settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")


@pytest.fixture(autouse=True)
def _denormal_numbers() -> Iterator[None]:
    """Building a model takes denormal numbers for zero; hypothesis insists on having them."""
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def shop_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds the data set ``shop``, 300 sessions small."""
    folder = tmp_path_factory.mktemp("dataset_atomic")
    convert.main(["shop", "--sessions", "300", "--out", str(folder / "shop")])
    return folder


@pytest.fixture
def shop_config(shop_data: Path, tmp_path: Path) -> Callable[..., Any]:
    """Settings of a short run on the small shop, everything written below ``tmp_path``."""

    def make(model: str = "GRU4Rec", files: Iterable[Path] = (), **changes: Any) -> Any:
        quick = {
            "data_path": str(shop_data),
            "results_dir": str(tmp_path / "results"),
            "checkpoint_dir": str(tmp_path / "saved"),
            "show_progress": False,
            "embedding_size": 16,
            "epochs": 3,
            "train_batch_size": 64,
            "learning_rate": 0.02,
        }
        return build_config(model, "shop", config_files=files, overrides=quick | changes)

    return make
