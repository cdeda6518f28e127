"""Sequential rules as evidence: ranking, training rows, saving."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.session_rules import SessionRules

N_ITEMS = 8
LOGS = st.lists(st.lists(st.integers(1, 6), min_size=2, max_size=14), min_size=1, max_size=8)


def session_rules(log: list[list[int]]) -> SessionRules:
    return SessionRules(Sessions.from_lists(log), N_ITEMS)


def naive_weight(log: list[list[int]], last: int, target: int | None = None) -> float:
    """Of the rules from an item to another, or to any."""
    weight = 0.0
    for session in log:
        for a, item in enumerate(session):
            for steps, follower in enumerate(session[a + 1 : a + 11], start=1):
                if item == last and target in (None, follower):
                    weight += 1 / steps
    return weight


@given(LOGS)
def test_weights_are_those_of_the_last_known_click(log: list[list[int]]) -> None:
    prefixes, lengths = torch.tensor([[2, 1], [3, 0], [1, 7], [0, 0]]), torch.tensor([2, 1, 2, 0])
    found = session_rules(log).weights(prefixes, lengths).toarray()
    known = {item for session in log for item in session}
    for row, prefix in enumerate(prefixes.tolist()):
        clicks = [0, *(item for item in prefix if item in known)]
        expected = [naive_weight(log, clicks[-1], item) for item in range(N_ITEMS)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


@given(LOGS)
def test_training_rows_hear_of_earlier_sessions_alone(log: list[list[int]]) -> None:
    sessions = Sessions.from_lists(log)
    rows = PrefixRows.of(sessions, max_length=4)
    found = session_rules(log).target_weights(rows).numpy()
    for row, session in enumerate(rows.session):
        last, target = (int(sessions.items[rows.end[row] - back]) for back in (1, 0))
        earlier = log[:session]
        expected = [naive_weight(earlier, last, target), naive_weight(earlier, last)]
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
