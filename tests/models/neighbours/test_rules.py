"""ItemKNN and SR against the formulas, one pair at a time."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.base import Scorer
from recbole_a2d.models.neighbours.rules import CooccurrenceScorer, RuleScorer

N_ITEMS = 8
LOGS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=14), min_size=1, max_size=6)


def scores_after(scorer: Scorer, log: list[list[int]], prefix: list[int]) -> np.ndarray:
    scorer.fit(Sessions.from_lists(log), N_ITEMS)
    return scorer.scores(np.array([prefix]), np.array([len(prefix)]))[0]


@given(LOGS, st.sampled_from([0.0, 20.0]), st.data())
def test_item_knn(log: list[list[int]], regularisation: float, data: st.DataObject) -> None:
    last = data.draw(st.sampled_from([item for session in log for item in session]))
    expected = np.zeros(N_ITEMS)
    for item in range(1, N_ITEMS):
        with_last = sum(last in session for session in log)
        with_item = sum(item in session for session in log)
        both = sum(last in session and item in session for session in log)
        if both and item != last:
            root = math.sqrt((with_last + regularisation) * (with_item + regularisation))
            expected[item] = both / root
    scores = scores_after(CooccurrenceScorer(regularisation), log, [1, 2, last])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@given(LOGS, st.integers(1, 10), st.data())
def test_sequential_rules(log: list[list[int]], max_steps: int, data: st.DataObject) -> None:
    last = data.draw(st.sampled_from([item for session in log for item in session]))
    expected = np.zeros(N_ITEMS)
    for session in log:
        for a in range(len(session)):
            for b in range(a + 1, min(a + max_steps, len(session) - 1) + 1):
                if session[a] == last:
                    expected[session[b]] += 1 / (b - a)
    scores = scores_after(RuleScorer(max_steps), log, [3, last])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_last_known_click_decides() -> None:
    log = [[1, 2], [3, 4]]
    scorer = RuleScorer()
    assert scores_after(scorer, log, [1, 7, 0]).argmax() == 2
    np.testing.assert_array_equal(
        scores_after(scorer, log, [3, 1, 7]), scores_after(scorer, log, [1])
    )
