"""Pop and S-Pop against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.popularity import PopularityScorer, SessionPopularityScorer

N_ITEMS = 8
LOGS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=1, max_size=8)
PREFIX = st.lists(st.integers(0, 7), max_size=6)


def row_of(scorer: object, log: list[list[int]], prefix: list[int]) -> np.ndarray:
    scorer.fit(Sessions.from_lists(log), N_ITEMS)
    return scorer.scores(np.array([[*prefix, 0]]), np.array([len(prefix)]))[0]


@given(LOGS, PREFIX)
def test_pop_is_the_training_count(log: list[list[int]], prefix: list[int]) -> None:
    counts = Counter(item for session in log for item in session)
    scores = row_of(PopularityScorer(), log, prefix)
    assert scores.tolist() == [counts[item] for item in range(N_ITEMS)]


@given(LOGS, PREFIX)
def test_spop_orders_by_own_count_then_pop(log: list[list[int]], prefix: list[int]) -> None:
    pop = Counter(item for session in log for item in session)
    own = Counter(item for item in prefix if pop[item])
    scores = row_of(SessionPopularityScorer(), log, prefix)
    wanted = [(own[item], pop[item]) for item in range(N_ITEMS)]
    for one in range(N_ITEMS):
        for other in range(N_ITEMS):
            assert (scores[one] < scores[other]) == (wanted[one] < wanted[other])


def test_spop_keeps_whole_numbers_apart_in_float32() -> None:
    # 30 own clicks beside 100,000 training clicks: their sum of shares would be rounded off
    log = [[1] * 100_000 + [2] * 99_999 + [3] * 99_998]
    scores = row_of(SessionPopularityScorer(), log, [1] * 30 + [2] * 30 + [3] * 30)
    assert scores[1] > scores[2] > scores[3] > scores[4]
