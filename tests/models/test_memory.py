"""Counts set beside a model's answer, against the formula one item at a time."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from torch import Tensor

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.a2d.memory import Memory
from recbole_a2d.models.neighbours.evidence import Evidence
from recbole_a2d.models.neighbours.session_rules import SessionPairRules, SessionRules
from recbole_a2d.models.neighbours.votes import SessionVotes

ROWS, ITEMS = 4, 6


class Told(Evidence):
    """Weights as given, for ranking and for training rows alike."""

    title = "told"

    def __init__(self, weights: np.ndarray, targets: np.ndarray) -> None:
        super().__init__()
        self.told, self.targets = weights, targets

    def weights(self, prefixes: Tensor, lengths: Tensor) -> csr_matrix:
        return csr_matrix(self.told)

    def target_weights(self, rows: PrefixRows) -> Tensor:
        of_target = self.told[np.arange(len(self.told)), self.targets]
        return torch.tensor(np.stack([of_target, self.told.sum(1)], axis=1)).float()


def naive(model: Tensor, told: list[np.ndarray], shares: Tensor, kappa: Tensor) -> np.ndarray:
    """Probabilities by the formula, ``[rows, items]``."""
    result = np.zeros((ROWS, ITEMS))
    for row in range(ROWS):
        seen = [weights[row].sum() for weights in told]
        given_away = sum(
            shares[row, 1 + e].item() * seen[e] / (seen[e] + kappa[e].item())
            for e in range(len(told))
        )
        for item in range(ITEMS):
            result[row, item] = (1 - given_away) * model[row, item].item()
            for e, weights in enumerate(told):
                share = shares[row, 1 + e].item()
                result[row, item] += share * weights[row, item] / (seen[e] + kappa[e].item())
    return result


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_ranking_and_loss_follow_the_formula(seed: int, kinds: int) -> None:
    random = np.random.default_rng(seed)
    # a third of the items known to each kind, and some rows of which nothing is told
    told = [
        random.gamma(1, 3, (ROWS, ITEMS))
        * (random.random((ROWS, ITEMS)) < 0.3)
        * (random.random((ROWS, 1)) < 0.8)
        for _ in range(kinds)
    ]
    targets = random.integers(0, ITEMS, ROWS)
    memory = Memory([Told(weights, targets) for weights in told], size=3, hidden=4)
    memory.log_kappa.data = torch.tensor(random.normal(0, 2, kinds)).float()
    model = torch.tensor(random.normal(0, 2, (ROWS, ITEMS))).float().log_softmax(1)
    constant = torch.tensor(random.normal(0, 5, ROWS)).float()
    with torch.no_grad():
        shares = memory.log_shares(torch.tensor(random.normal(0, 1, (ROWS, 3))).float())
        kappa = memory.log_kappa.exp()
        expected = naive(model.exp(), told, shares.exp(), kappa)
        scores = model + constant.unsqueeze(1)
        nothing = torch.zeros(ROWS, 1, dtype=torch.long), torch.zeros(ROWS, dtype=torch.long)
        found = memory.add_to(scores, constant, shares, *nothing)
        np.testing.assert_allclose(found.softmax(1), expected, rtol=1e-3, atol=1e-6)
        given = memory.shares(shares, *nothing)
        of_model = expected - naive(torch.zeros(ROWS, ITEMS), told, shares.exp(), kappa)
        np.testing.assert_allclose(given[:, 0], of_model.sum(1), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(given.sum(1), 1, rtol=1e-5)
        rows = PrefixRows.of(Sessions.from_lists([[1, 1]] * ROWS), max_length=5)
        losses = -model[torch.arange(ROWS), torch.from_numpy(targets)]
        loss = memory.loss(losses, shares, memory.target_weights(rows)).item()
    np.testing.assert_allclose(expected.sum(1), 1, rtol=1e-5)
    of_targets = expected[np.arange(ROWS), targets]
    np.testing.assert_allclose(loss, -np.log(of_targets).mean(), rtol=1e-3, atol=1e-5)


def test_what_tells_the_weights_learns_nothing_from_them() -> None:
    told = np.array([[1.0, 2.0]])
    memory, vectors = Memory([Told(told, np.array([1]))], 3, 4), torch.ones(1, 3).requires_grad_()
    losses = torch.tensor([2.0], requires_grad=True)
    of_rows = torch.tensor([[[2.0, 3.0]]])
    memory.loss(losses, memory.log_shares(vectors), of_rows).backward()
    assert vectors.grad is None and losses.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in memory.parameters())


def test_the_kinds_stand_in_the_order_of_their_weights() -> None:
    sessions = Sessions.from_lists([[1, 2], [1, 2, 3], [1, 2]])
    kinds = [SessionRules(sessions, 5), SessionPairRules(sessions, 5), SessionVotes(sessions, 5)]
    rows = PrefixRows.of(sessions, max_length=5)
    found = Memory(kinds, 3, 4).target_weights(rows)
    for number, kind in enumerate(kinds):
        assert torch.equal(found[:, number], kind.target_weights(rows))
    assert found[-1, 0].tolist() == [2.0, 2.5]
