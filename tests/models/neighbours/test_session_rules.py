"""Sequential rules as evidence: ranking, training rows, saving."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.session_rules import SessionPairRules, SessionRules

N_ITEMS = 8
LOGS = st.lists(st.lists(st.integers(1, 6), min_size=2, max_size=14), min_size=1, max_size=8)


KINDS = pytest.mark.parametrize("kind", [SessionRules, SessionPairRules])
AFTER = {SessionRules: 1, SessionPairRules: 2}
"""How many clicks a rule of each kind starts with."""


def session_rules(log: list[list[int]], kind: type[SessionRules] = SessionRules) -> SessionRules:
    return kind(Sessions.from_lists(log), N_ITEMS)


def naive_weight(log: list[list[int]], last: list[int], target: int | None = None) -> float:
    """Of the rules from some clicks in a row to an item, or to any."""
    weight = 0.0
    for session in log:
        for end in range(len(last), len(session)):
            for steps, follower in enumerate(session[end : end + 10], start=1):
                if session[end - len(last) : end] == last and target in (None, follower):
                    weight += 1 / steps
    return weight


@KINDS
@given(LOGS)
def test_weights_are_those_of_the_last_known_clicks(
    kind: type[SessionRules], log: list[list[int]]
) -> None:
    clicks = [[2, 1, 0], [3, 0, 0], [1, 7, 0], [2, 7, 1], [1, 2, 1], [0, 0, 0]]
    prefixes, lengths = torch.tensor(clicks), torch.tensor([2, 1, 2, 3, 3, 0])
    found = session_rules(log, kind).weights(prefixes, lengths).toarray()
    known = {item for session in log for item in session}
    for row, prefix in enumerate(clicks):
        last = [item for item in prefix if item in known][-AFTER[kind] :]
        enough = len(last) == AFTER[kind]
        expected = [naive_weight(log, last, item) if enough else 0.0 for item in range(N_ITEMS)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


@KINDS
@given(LOGS)
def test_training_rows_hear_of_earlier_sessions_alone(
    kind: type[SessionRules], log: list[list[int]]
) -> None:
    sessions = Sessions.from_lists(log)
    rows = PrefixRows.of(sessions, max_length=4)
    found = session_rules(log, kind).target_weights(rows).numpy()
    for row, session in enumerate(rows.session):
        last = sessions.items[rows.start[row] : rows.end[row]][-AFTER[kind] :].tolist()
        target, earlier = int(sessions.items[rows.end[row]]), log[:session]
        expected = [naive_weight(earlier, last, target), naive_weight(earlier, last)]
        if len(last) < AFTER[kind]:
            expected = [0.0, 0.0]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_rows_of_other_sessions_are_refused() -> None:
    as_many = PrefixRows.of(Sessions.from_lists([[1, 2], [2, 4]]), 50)
    with pytest.raises(ValueError, match="training sessions"):
        session_rules([[1, 2], [2, 3]]).target_weights(as_many)


def test_the_sessions_are_saved_with_the_model() -> None:
    rules, other = session_rules([[1, 2], [1, 3]]), session_rules([[4, 5, 6]])
    other.load_state_dict(rules.state_dict())
    prefix = (torch.tensor([[1]]), torch.tensor([1]))
    assert other.weights(*prefix).indices.tolist() == [2, 3]


def test_the_last_two_clicks_decide_where_the_last_one_does_not() -> None:
    log = [[1, 2, 3], [4, 2, 5], [4, 2, 5]]
    prefix = (torch.tensor([[1, 2]]), torch.tensor([2]))
    assert session_rules(log).weights(*prefix).toarray()[0].argmax() == 5
    assert session_rules(log, SessionPairRules).weights(*prefix).toarray()[0].argmax() == 3
