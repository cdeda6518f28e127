"""The k best against a plain sort, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.errors import Diverged
from recbole_a2d.top_items import BLOCKS, PopularityOrder, top_items

BLOCK = BLOCKS[0]


def plain(scores: np.ndarray, k: int, by_popularity: np.ndarray) -> list[int]:
    place = {int(item): number for number, item in enumerate(by_popularity)}
    order = sorted(range(1, len(scores)), key=lambda item: (-scores[item], place[item]))
    return order[:k]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    items=st.sampled_from([1, 5, BLOCK, BLOCK * 3 + 1, BLOCK * 9 + 7]),
    k=st.sampled_from([1, 2, 5, 500]),
    levels=st.sampled_from([1, 2, 40, 10**6]),
)
def test_equals_a_plain_sort(seed: int, items: int, k: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (4, items + 1)).astype(np.float32)
    scores[:, 0] = levels + 1  # the pad's score is the best and must not be read
    by_popularity = random.permutation(items) + 1
    order = PopularityOrder.of(torch.from_numpy(by_popularity))
    found, values = top_items(torch.from_numpy(scores), k, order)
    assert found.tolist() == [plain(row, k, by_popularity) for row in scores]
    assert torch.equal(values, torch.from_numpy(scores).gather(1, found))


def test_nan_is_an_error() -> None:
    scores = torch.zeros(2, 1000)
    scores[1, 700] = torch.nan
    with pytest.raises(Diverged, match="NaN"):
        top_items(scores, 3, PopularityOrder.of(torch.arange(1, 1000)))
