"""Known clicks of prefixes against plain lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.models.neighbours.prefixes import KnownClicks

KNOWN = np.array([False, True, True, False, True, True])
PREFIXES = st.lists(st.lists(st.integers(0, 5), max_size=7), min_size=1, max_size=5)


def padded(prefixes: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(prefix) for prefix in prefixes])
    array = np.zeros((len(prefixes), max(lengths.max(), 1)), dtype=np.int64)
    array[np.arange(array.shape[1]) < lengths[:, None]] = np.concatenate(prefixes)
    return array, lengths


@given(PREFIXES)
def test_unknown_clicks_leave_no_gap(prefixes: list[list[int]]) -> None:
    clicks = KnownClicks.of_padded(*padded(prefixes), KNOWN)
    kept = [[item for item in prefix if KNOWN[item]] for prefix in prefixes]
    assert clicks.item.tolist() == [item for prefix in kept for item in prefix]
    assert clicks.position.tolist() == [p + 1 for prefix in kept for p in range(len(prefix))]
    assert clicks.length.tolist() == [len(prefix) for prefix in kept]
    for before in range(3):
        expected = [prefix[-1 - before] if len(prefix) > before else 0 for prefix in kept]
        assert clicks.last_items(before).tolist() == expected


@given(PREFIXES)
def test_last_occurrences(prefixes: list[list[int]]) -> None:
    last = KnownClicks.of_padded(*padded(prefixes), KNOWN).last_occurrences()
    expected = []
    for row, prefix in enumerate(prefixes):
        kept = [item for item in prefix if KNOWN[item]]
        places = {item: place + 1 for place, item in enumerate(kept)}
        expected += [(row, item, place) for item, place in sorted(places.items(), key=by_place)]
    found = zip(last.row.tolist(), last.item.tolist(), last.position.tolist(), strict=True)
    assert list(found) == expected


def by_place(item_and_place: tuple[int, int]) -> int:
    return item_and_place[1]


@given(PREFIXES)
def test_slice_is_the_rows_alone(prefixes: list[list[int]]) -> None:
    whole = KnownClicks.of_padded(*padded(prefixes), KNOWN)
    for row in range(len(prefixes)):
        alone = KnownClicks.of_padded(*padded([prefixes[row]]), KNOWN)
        part = whole.slice(row, row + 1)
        for name in ("row", "item", "position", "length"):
            assert getattr(part, name).tolist() == getattr(alone, name).tolist()


def test_ranges_of_flat_clicks() -> None:
    items = np.array([1, 2, 3, 4, 5, 1])
    clicks = KnownClicks.of_ranges(items, np.array([0, 1, 4]), np.array([2, 5, 4]), KNOWN)
    assert clicks.row.tolist() == [0, 0, 1, 1, 1]
    assert clicks.item.tolist() == [1, 2, 2, 4, 5]
    assert clicks.length.tolist() == [2, 3, 0]


def test_id_outside_the_items_is_refused() -> None:
    with pytest.raises(ValueError, match="0..5"):
        KnownClicks.of_padded(np.array([[6]]), np.array([1]), KNOWN)
