"""Known levels on the published data sets, on 4,000 test rows drawn with a fixed seed.

The expected figures come from an implementation independent of this package.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_a2d.data.readers.plain_pickle import read_plain_pickle
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.evaluation.ranks import target_ranks
from recbole_a2d.models.neighbours.session_knn import SessionKNN
from recbole_a2d.models.neighbours.similarity import NeighborRule, stan, vsknn, vstan

DATA = Path(os.environ.get("RECBOLE_A2D_DATA", Path(__file__).parents[4] / "shared" / "data"))
RULES = {"VSKNN cosine": vsknn(session_norm=True), "STAN": stan(), "VSTAN": vstan()}
LEVELS = {
    "diginetica": {"VSKNN cosine": (52.7, 18.5), "STAN": (51.4, 18.9), "VSTAN": (52.7, 18.8)},
    "tmall": {"VSKNN cosine": (39.9, 15.5), "STAN": (31.1, 14.7), "VSTAN": (35.8, 15.6)},
    "yoochoose1_64": {"VSKNN cosine": (68.3, 27.4), "STAN": (69.4, 29.1), "VSTAN": (68.8, 28.0)},
}


@pytest.fixture(scope="module", params=sorted(LEVELS))
def sample(request: pytest.FixtureRequest) -> dict[str, Any]:
    folder = DATA / request.param
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: set RECBOLE_A2D_DATA to the published data sets")
    train = Sessions.from_lists(read_plain_pickle(folder / "all_train_seq.txt"))
    prefixes, targets = read_plain_pickle(folder / "test.txt")
    rows = np.random.RandomState(0).choice(len(targets), 4000, replace=False)
    n_items = int(train.items.max()) + 1
    return {
        "name": request.param,
        "train": train,
        "n_items": n_items,
        "prefixes": [known(prefixes[row], n_items) for row in rows],
        "targets": known([targets[row] for row in rows], n_items),
    }


def known(items: list[int], n_items: int) -> list[int]:
    return [item if item < n_items else 0 for item in items]


def ranks_of(rule: NeighborRule, sample: dict[str, Any]) -> np.ndarray:
    scorer = SessionKNN(rule, neighbors=500)
    scorer.fit(sample["train"], sample["n_items"])
    ranks = []
    for start in range(0, len(sample["targets"]), 250):
        prefixes = sample["prefixes"][start : start + 250]
        lengths = np.array([len(prefix) for prefix in prefixes])
        padded = np.zeros((len(prefixes), lengths.max()), dtype=np.int64)
        padded[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(prefixes)
        scores = torch.from_numpy(scorer.scores(padded, lengths))
        ranks.append(target_ranks(scores, torch.tensor(sample["targets"][start : start + 250])))
    return torch.cat(ranks).numpy()


@pytest.mark.parametrize("method", sorted(RULES))
def test_level(method: str, sample: dict[str, Any]) -> None:
    ranks = ranks_of(RULES[method], sample)
    hit = (ranks >= 1) & (ranks <= 20)
    reciprocal = np.where(hit, 1 / np.maximum(ranks, 1), 0)
    found = (100 * hit.mean(), 100 * reciprocal.mean())
    assert found == pytest.approx(LEVELS[sample["name"]][method], abs=0.25)
