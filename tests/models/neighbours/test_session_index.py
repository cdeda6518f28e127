"""The index of training sessions against plain dictionaries."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.session_index import SessionIndex

N_ITEMS = 8
LOGS = st.lists(st.lists(st.integers(1, 6), max_size=7), max_size=7)


@given(LOGS)
def test_entries_from_both_sides(log: list[list[int]]) -> None:
    index = SessionIndex.build(Sessions.from_lists(log), N_ITEMS)
    last = [{item: place for place, item in enumerate(session, 1)} for session in log]
    for session, places in enumerate(last):
        entries = range(index.of_session[session], index.of_session[session + 1])
        assert {index.item[e]: index.position[e] for e in entries} == places
        assert {index.session[e] for e in entries} <= {session}
    for item in range(N_ITEMS):
        entries = index.by_item[index.of_item[item] : index.of_item[item + 1]]
        holders = [session for session, places in enumerate(last) if item in places]
        assert index.session[entries].tolist() == holders
        assert index.item[entries].tolist() == [item] * len(holders)
    assert index.length.tolist() == [len(session) for session in log]


@given(LOGS)
def test_inverse_frequency(log: list[list[int]]) -> None:
    factor = SessionIndex.build(Sessions.from_lists(log), N_ITEMS).inverse_frequency()
    for item in range(N_ITEMS):
        holders = sum(item in session for session in log)
        expected = math.log(len(log) / holders) if holders else 0.0
        assert math.isclose(factor[item], expected, abs_tol=1e-12)
