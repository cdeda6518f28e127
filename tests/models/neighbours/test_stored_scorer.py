"""Training sessions as saved state."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.popularity import PopularityScorer
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer


def popularity(stored: StoredScorer[PopularityScorer]) -> list[float]:
    scores = stored.scorer.scores(np.array([[1]]), np.array([1]))
    return [float(score) for score in scores[0]]


def test_other_sizes_can_be_loaded() -> None:
    saved = StoredScorer(PopularityScorer(), Sessions.from_lists([[1, 2, 2], [3]]), 4)
    fresh = StoredScorer(PopularityScorer(), Sessions.from_lists([[1]]), 4)
    assert popularity(fresh) == [0, 1, 0, 0]
    fresh.load_state_dict(saved.state_dict())
    assert popularity(fresh) == popularity(saved) == [0, 1, 2, 1]
    assert fresh.train_items.tolist() == [1, 2, 2, 3]
    assert fresh.train_offsets.tolist() == [0, 3, 4]


def test_loads_as_part_of_a_model() -> None:
    saved = nn.ModuleDict({"log": StoredScorer(PopularityScorer(), Sessions.from_lists([[2]]), 4)})
    fresh = nn.ModuleDict(
        {"log": StoredScorer(PopularityScorer(), Sessions.from_lists([[1, 3]]), 4)}
    )
    fresh.load_state_dict(saved.state_dict())
    assert popularity(fresh["log"]) == [0, 0, 1, 0]


def test_sessions_are_copied() -> None:
    items = np.array([1, 2])
    stored = StoredScorer(PopularityScorer(), Sessions(items, np.array([0, 2])), 4)
    items[:] = 3
    assert stored.train_items.tolist() == [1, 2]
    assert stored.train_items.dtype == torch.int64
