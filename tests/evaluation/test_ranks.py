"""Ranks against a count written as loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.errors import Diverged
from recbole_a2d.evaluation import ranks as ranks_module
from recbole_a2d.evaluation.ranks import target_ranks

SCORES = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 0.75, 2.0, math.inf])


def plain_rank(scores: list[float], target: int) -> int:
    if target == 0:
        return 0
    others = [i for i in range(1, len(scores)) if i != target]
    return 1 + sum(scores[item] >= scores[target] for item in others)


@given(st.data())
def test_ranks_equal_the_plain_count(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(2, 9))
    row = st.lists(SCORES, min_size=n_items, max_size=n_items)
    scores = data.draw(st.lists(row, min_size=1, max_size=40))
    target = st.integers(0, n_items - 1)
    targets = data.draw(st.lists(target, min_size=len(scores), max_size=len(scores)))
    dtype = data.draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float64]))
    got = target_ranks(torch.tensor(scores, dtype=dtype), torch.tensor(targets))
    assert got.dtype == torch.int64
    assert got.tolist() == [plain_rank(s, t) for s, t in zip(scores, targets, strict=True)]


def test_ties_count_against_the_model() -> None:
    assert target_ranks(torch.zeros(1, 6), torch.tensor([3])).tolist() == [5]


def test_padding_column_is_never_a_candidate() -> None:
    scores = torch.tensor([[math.nan, 3.0, 1.0], [math.inf, 3.0, 1.0]])
    assert target_ranks(scores, torch.tensor([1, 2])).tolist() == [1, 2]


def test_unseen_target_has_rank_zero() -> None:
    assert target_ranks(torch.rand(2, 5), torch.tensor([0, 0])).tolist() == [0, 0]


@pytest.mark.parametrize("row", [0, ranks_module.ROWS_AT_ONCE + 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nan_names_the_row(row: int, dtype: torch.dtype) -> None:
    scores = torch.rand(2 * ranks_module.ROWS_AT_ONCE, 50, dtype=dtype)
    scores[row, 7] = math.nan
    with pytest.raises(Diverged, match=f"row {row} "):
        target_ranks(scores, torch.ones(len(scores), dtype=torch.long))


def test_empty_batch_has_no_ranks() -> None:
    assert target_ranks(torch.empty(0, 5), torch.empty(0, dtype=torch.long)).tolist() == []


@pytest.mark.parametrize("target", [-1, 5])
def test_target_outside_the_catalogue_is_an_error(target: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 4"):
        target_ranks(torch.rand(1, 5), torch.tensor([target]))


def test_shapes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="got"):
        target_ranks(torch.rand(2, 5), torch.tensor([1]))
