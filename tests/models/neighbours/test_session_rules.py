"""Sequential rules as a smoothed probability: ranking, training rows, what is left to others."""

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


def naive_weight(log: list[list[int]], last: int, target: int | None = None) -> float:
    """Of the rules from an item to another, or to any."""
    weight = 0.0
    for session in log:
        for a, item in enumerate(session):
            for steps, follower in enumerate(session[a + 1 : a + 11], start=1):
                if item == last and target in (None, follower):
                    weight += 1 / steps
    return weight


@given(LOGS, st.floats(-3, 3))
def test_probabilities_and_what_is_left_sum_to_one(log: list[list[int]], log_kappa: float) -> None:
    rules = SessionRules(Sessions.from_lists(log), N_ITEMS)
    rules.log_kappa.data.fill_(log_kappa)
    prefixes, lengths = torch.tensor([[2, 1], [3, 0], [1, 7], [0, 0]]), torch.tensor([2, 1, 2, 0])
    found = rules(prefixes, lengths)
    dense = torch.zeros(4, N_ITEMS)
    dense[found.row, found.item] = found.probability
    known = {item for session in log for item in session}
    for row, prefix in enumerate(prefixes.tolist()):
        clicks = [item for item in prefix if item in known]
        for item in range(N_ITEMS):
            expected = 0.0
            if clicks:
                seen = naive_weight(log, clicks[-1]) + np.exp(log_kappa)
                expected = naive_weight(log, clicks[-1], item) / seen
            assert dense[row, item].item() == pytest.approx(expected, rel=1e-4, abs=1e-7)
    torch.testing.assert_close(dense.sum(1) + found.log_rest.exp(), torch.ones(4))


@given(LOGS)
def test_training_rows_hear_of_earlier_sessions_alone(log: list[list[int]]) -> None:
    sessions = Sessions.from_lists(log)
    rows = PrefixRows.of(sessions, max_length=4)
    found = SessionRules(sessions, N_ITEMS).target_weights(rows).numpy()
    for row, session in enumerate(rows.session):
        last, target = (int(sessions.items[rows.end[row] - back]) for back in (1, 0))
        earlier = log[:session]
        expected = [naive_weight(earlier, last, target), naive_weight(earlier, last)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


@given(LOGS)
def test_the_last_session_is_told_what_ranking_says_without_it(log: list[list[int]]) -> None:
    sessions = Sessions.from_lists([*log, [1, 2, 1]])
    rows = PrefixRows.of(sessions, max_length=50)
    whole, rest = SessionRules(sessions, N_ITEMS), SessionRules(Sessions.from_lists(log), N_ITEMS)
    weights, sums = whole.target_weights(rows)[-2:].unbind(1)
    batch = rows.batch(np.arange(len(rows) - 2, len(rows)))
    # by the last click alone: a click unknown to the earlier sessions is passed over in ranking
    found = rest(batch["item_id_list"][:, :1], torch.tensor([1, 0]))
    shown = found.probability[(found.row == 0) & (found.item == 2)].sum()
    torch.testing.assert_close(whole.probability(weights, sums)[0], shown)


def test_an_unknown_pair_of_items_adds_nothing() -> None:
    rules = SessionRules(Sessions.from_lists([[1, 2], [1, 3]]), N_ITEMS)
    found = rules(torch.tensor([[1]]), torch.tensor([1]))
    scores = torch.arange(N_ITEMS, dtype=torch.float32).repeat(1, 1)
    before = scores.clone()
    after = found.add_to(scores, torch.tensor([0.5]))
    # each of 2 and 3 has 1 of the 2 rules seen and the one made up: a third
    raised = torch.logaddexp(before[0, 2:4], torch.tensor(0.5 - np.log(3.0)).float())
    torch.testing.assert_close(after[0, 2:4], raised)
    others = [0, 1, 4, 5, 6, 7]
    assert torch.equal(after[0, others], before[0, others])
