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


def session_rules(log: list[list[int]], log_kappa: float = 0.0) -> SessionRules:
    rules = SessionRules(Sessions.from_lists(log), N_ITEMS, size=3, hidden=2)
    rules.log_kappa.data.fill_(log_kappa)
    return rules


@given(LOGS, st.floats(-3, 3), st.floats(-4, 4))
def test_ranking_is_the_smoothed_mixture(
    log: list[list[int]], log_kappa: float, logit: float
) -> None:
    prefixes, lengths = torch.tensor([[2, 1], [3, 0], [1, 7], [0, 0]]), torch.tensor([2, 1, 2, 0])
    model = torch.arange(4 * N_ITEMS).view(4, N_ITEMS).sin().log_softmax(1)
    constant = torch.tensor([0.5, -2.0, 0.0, 3.0])
    rules = session_rules(log, log_kappa)
    with torch.no_grad():
        found = rules(torch.full((4,), logit), prefixes, lengths)
        mixed = found.add_to(model + constant.unsqueeze(1), constant).softmax(1)
    g, kappa = 1 / (1 + np.exp(-logit)), np.exp(log_kappa)
    known = {item for session in log for item in session}
    for row, prefix in enumerate(prefixes.tolist()):
        clicks = [0, *(item for item in prefix if item in known)]
        seen = naive_weight(log, clicks[-1])
        for item in range(N_ITEMS):
            of_model = (1 - g * seen / (seen + kappa)) * model[row, item].exp().item()
            of_rules = g * naive_weight(log, clicks[-1], item) / (seen + kappa)
            assert mixed[row, item].item() == pytest.approx(of_model + of_rules, rel=1e-3, abs=1e-6)


@given(LOGS, st.floats(-3, 3))
def test_loss_is_that_of_the_mixture(log: list[list[int]], log_kappa: float) -> None:
    sessions = Sessions.from_lists(log)
    rows = PrefixRows.of(sessions, max_length=4)
    rules = session_rules(log, log_kappa)
    of_rows = rules.target_weights(rows)
    losses, logits = torch.linspace(0.1, 9, len(rows)), torch.linspace(-3, 3, len(rows))
    g, (weights, sums) = logits.sigmoid(), of_rows.unbind(1)
    share = g * sums / (sums + np.exp(log_kappa))
    expected = (1 - share) * (-losses).exp() + g * weights / (sums + np.exp(log_kappa))
    found = rules.loss(losses, logits, of_rows)
    assert found.item() == pytest.approx(-expected.log().mean().item(), rel=1e-4)


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


def test_the_sessions_are_saved_with_the_model() -> None:
    rules, other = session_rules([[1, 2], [1, 3]]), session_rules([[4, 5, 6]])
    other.load_state_dict(rules.state_dict())
    prefix = (torch.zeros(1), torch.tensor([[1]]), torch.tensor([1]))
    assert rules(*prefix).item.tolist() == [2, 3]
    for found, expected in zip(other(*prefix), rules(*prefix), strict=True):
        assert torch.equal(found, expected)


def test_the_vectors_learn_nothing_from_the_weight() -> None:
    rules, vectors = session_rules([[1, 2]]), torch.ones(1, 3, requires_grad=True)
    of_rows = torch.tensor([[1.0, 1.0]])
    rules.loss(torch.tensor([2.0]), rules.weight(vectors), of_rows).backward()
    assert vectors.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in rules.parameters())
