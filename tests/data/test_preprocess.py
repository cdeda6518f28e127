"""Steps of the preprocessing against plain loops over lists."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data import preprocess
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import Clicks
from recbole_a2d.errors import UserError

LISTS = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=10)


def clicks_of(sessions: list[list[int]], times: list[float] | None = None) -> Clicks:
    ragged = Sessions.from_lists(sessions)
    names = np.array([f"s{number}" for number in range(len(sessions))], dtype=object)
    if times is None:
        times = [float(number) for number in range(len(ragged.items))]
    return Clicks(ragged, names, np.array(times))


def named(clicks: Clicks) -> list[tuple[str, list[int], list[float]]]:
    bounds = clicks.sessions.offsets.tolist()
    return [
        (name, clicks.sessions.items[a:b].tolist(), clicks.timestamps[a:b].tolist())
        for name, a, b in zip(clicks.session_tokens, bounds[:-1], bounds[1:], strict=True)
    ]


@given(LISTS)
def test_drop_short_sessions(sessions: list[list[int]]) -> None:
    clicks = clicks_of(sessions)
    expected = [row for row in named(clicks) if len(row[1]) >= 2]
    assert named(preprocess.drop_short_sessions(clicks)) == expected


@given(LISTS, st.integers(1, 4))
def test_drop_rare_items(sessions: list[list[int]], least: int) -> None:
    clicks = clicks_of(sessions)
    counts = Counter(item for session in sessions for item in session)
    expected = []
    for name, items, times in named(clicks):
        kept = [(i, t) for i, t in zip(items, times, strict=True) if counts[i] >= least]
        if kept:
            expected.append((name, [i for i, _ in kept], [t for _, t in kept]))
    assert named(preprocess.drop_rare_items(clicks, least)) == expected


@given(LISTS, LISTS)
def test_drop_unseen_items(training: list[list[int]], test: list[list[int]]) -> None:
    seen = {item for session in training for item in session}
    found = preprocess.drop_unseen_items(clicks_of(test), clicks_of(training))
    kept = [[item for item in session if item in seen] for session in test]
    assert [items for _, items, _ in named(found)] == [items for items in kept if items]


@given(LISTS, st.data())
def test_sort_by_time(sessions: list[list[int]], data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.integers(0, 4), min_size=len(sessions), max_size=len(sessions)))
    times = [float(end) for end, session in zip(ends, sessions, strict=True) for _ in session]
    clicks = clicks_of(sessions, times)
    assert named(preprocess.sort_by_time(clicks)) == sorted(named(clicks), key=lambda r: r[2][-1])


@given(st.integers(2, 1000), st.floats(0, 0.5))
def test_validation_is_the_last_part(sessions: int, fraction: float) -> None:
    held_out = sessions - preprocess.validation_start(sessions, fraction)
    assert held_out == (max(round(sessions * fraction), 1) if fraction else 0)


def test_its_sessions_are_the_latest_in_order(toy_log: Any) -> None:
    training = [[n, n + 1] for n in range(40)]
    log = toy_log(training, [[0, 1]])
    names = log.item_tokens[[*log.train.items, *log.valid.items]]
    assert names.tolist() == [f"i{item}" for session in training for item in session]
    assert log.item_tokens[log.valid.items].tolist() == ["i38", "i39", "i39", "i40"]


def test_default_is_a_twentieth() -> None:
    assert preprocess.validation_start(100) == 95


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(UserError, match="must be at least 0 and below 1"):
        preprocess.validation_start(10, fraction)


def test_too_few_sessions_to_hold_out() -> None:
    with pytest.raises(UserError, match="too few to hold out"):
        preprocess.validation_start(1)


@settings(deadline=None)
@given(data=st.data())
def test_codes_run_in_order_of_first_appearance(data: st.DataObject, random_logs: Any) -> None:
    log = data.draw(random_logs)
    order: list[int] = []
    for split in (log.train, log.valid, log.test):
        for code in split.items.tolist():
            if code not in order:
                order.append(code)
    assert order == list(range(len(log.item_tokens)))
    training = {*log.train.items.tolist(), *log.valid.items.tolist()}
    assert training == set(range(log.n_training_items))


def test_item_without_category_is_kept_and_counted(toy_log: Any) -> None:
    log = toy_log([[0, 1], [1, 2]], [[2, 5]], {"i1": "a", "i5": "b"})
    assert log.item_tokens.tolist() == ["i0", "i1", "i2", "i5"]
    assert log.category_of_code.tolist() == [-1, 0, -1, -1]
    assert log.category_tokens.tolist() == ["a"]


def test_session_of_one_click(toy_log: Any) -> None:
    with pytest.raises(UserError, match=r"training session 's1' \(number 2\) has fewer than two"):
        toy_log([[0, 1], [1]], [[0, 1]])
    with pytest.raises(UserError, match=r"test session 's2' \(number 1\) has fewer than two"):
        toy_log([[0, 1], [1, 0]], [[0]])


def test_one_training_session_is_not_to_be_helped_by_a_smaller_fraction(toy_log: Any) -> None:
    with pytest.raises(UserError, match=r"1 training sessions are too few .*: use a longer log$"):
        toy_log([[0, 1]], [[0, 1]])
    with pytest.raises(UserError, match=r"2 training sessions .* or a smaller --valid-fraction"):
        toy_log([[0, 1], [1, 0]], [[0, 1]], valid_fraction=0.9)


def test_nothing_to_test_or_to_train(toy_log: Any) -> None:
    with pytest.raises(UserError, match="no test session is left"):
        toy_log([[0, 1], [1, 0]], [])
    with pytest.raises(UserError, match="no training session is left"):
        toy_log([], [[0, 1]])
