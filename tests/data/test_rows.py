"""Prefix rows and their loader against plain loops."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data.rows import PrefixLoader, PrefixRows
from recbole_a2d.data.sessions import Sessions

session_lists = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=12)


def naive_rows(lists: list[list[int]], max_length: int) -> list[tuple[int, list[int], int]]:
    rows = []
    for number, clicks in enumerate(lists):
        for end in range(1, len(clicks)):
            prefix = clicks[max(0, end - max_length) : end]
            rows.append((number, [item for item in prefix if item], clicks[end]))
    return rows


@settings(deadline=None)
@given(session_lists, st.integers(1, 9))
def test_batch_is_the_plain_loop(lists: list[list[int]], max_length: int) -> None:
    rows = PrefixRows.of(Sessions.from_lists(lists), max_length)
    expected = naive_rows(lists, max_length)
    assert len(rows) == len(expected) == rows.sessions.rows
    if not expected:
        return
    order = np.random.default_rng(0).permutation(len(rows))
    batch = rows.batch(order)
    for place, row in enumerate(order):
        session, prefix, target = expected[row]
        length = int(batch["item_length"][place])
        assert batch["item_id_list"][place, :length].tolist() == prefix
        assert not batch["item_id_list"][place, length:].any()
        assert int(batch["item_id"][place]) == target
        assert int(batch["session_id"][place]) == session
        assert int(batch["row_id"][place]) == row
    assert batch["item_id_list"].shape[1] == max(1, int(batch["item_length"].max()))


@settings(deadline=None)
@given(session_lists, st.integers(1, 5), st.booleans(), st.floats(0, 1))
def test_every_row_is_served_once(
    lists: list[list[int]], size: int, shuffle: bool, time_order: float
) -> None:
    rows = PrefixRows.of(Sessions.from_lists(lists), 50)
    loader = PrefixLoader(rows, size, shuffle=shuffle, seed=3, time_order=time_order, pool=2)
    served = [batch["row_id"] for batch in loader]
    seen = torch.cat(served).tolist() if served else []
    assert sorted(seen) == list(range(len(rows)))
    assert all(len(batch) <= size for batch in served)


def test_epochs_differ_and_repeat() -> None:
    rows = PrefixRows.of(Sessions.from_lists([[1, 2, 3, 4]] * 40), 50)
    loader = PrefixLoader(rows, 8, shuffle=True, seed=1)
    first = np.concatenate(loader.row_batches())
    loader.set_epoch(1)
    second = np.concatenate(loader.row_batches())
    loader.set_epoch(0)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, np.concatenate(loader.row_batches()))


def test_time_order_lets_no_row_pass_those_far_behind_it() -> None:
    rows = PrefixRows.of(Sessions.from_lists([[1, 2]] * 200), 50)

    def served(time_order: float) -> np.ndarray:
        loader = PrefixLoader(rows, 1, shuffle=True, time_order=time_order, pool=1)
        return np.concatenate(loader.row_batches())

    def steps_back(order: np.ndarray) -> int:
        """The most that a row is older than one served before it."""
        return int((np.maximum.accumulate(order) - order).max())

    assert served(1).tolist() == list(range(200))
    assert steps_back(served(0)) > 150
    # rows are shuffled within a quarter of them, and batches, here of one row, once more
    assert 20 < steps_back(served(0.8)) <= 100


def test_cut_rows_are_counted() -> None:
    rows = PrefixRows.of(Sessions.from_lists([[1, 2, 3, 4, 5]]), 2)
    assert rows.cut == 2
    assert rows.batch(np.array([3]))["item_id_list"].tolist() == [[3, 4]]
