"""Labels neither overlap nor leave the plot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.benchmark.figures.style import inside, spread
from recbole_a2d.benchmark.figures.time_accuracy import label_places

heights = st.lists(st.floats(0, 100, allow_nan=False), max_size=12)


@given(heights, st.floats(0.01, 20))
def test_spread_keeps_order_and_distance(values: list[float], gap: float) -> None:
    moved = spread(values, gap)
    pairs = sorted(zip(values, moved, strict=True))
    for (_, low), (_, high) in zip(pairs, pairs[1:], strict=False):
        assert high - low >= gap * (1 - 1e-6) - 1e-9 or low - high >= gap * (1 - 1e-6) - 1e-9


@given(heights)
def test_spread_moves_nothing_that_is_apart(values: list[float]) -> None:
    apart = [100.0 * place for place in range(len(values))]
    assert spread(apart, 50.0) == pytest.approx(apart)


@given(heights, st.floats(0.01, 5))
def test_inside_keeps_labels_on_the_plot(values: list[float], gap: float) -> None:
    moved = inside(spread(values, gap), gap, 0.0, 100.0)
    assert all(-1e-6 <= value <= 100 + 1e-6 for value in moved)
    ordered = sorted(moved)
    gaps = [high - low for low, high in zip(ordered, ordered[1:], strict=False)]
    assert all(found >= gap - 1e-6 for found in gaps)


def test_label_places_avoid_each_other() -> None:
    close = [(400.0, 200.0), (412.0, 200.0)]
    places = label_places(close, ["left one", "right one"])
    assert places[0] != places[1]
    assert label_places([(855.0, 100.0)], ["at the right edge"]) == ["middle left"]
