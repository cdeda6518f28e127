"""Votes as a distribution: sums, own sessions, training rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.similarity import stan, vsknn
from recbole_a2d.models.neighbours.votes import SessionVotes

N_ITEMS = 8
CLICKS = st.lists(st.integers(1, 6), min_size=2, max_size=6)
LOGS = st.lists(CLICKS, min_size=1, max_size=8)
RULES = st.sampled_from([vsknn(), vsknn(inverse_frequency=False), stan()])
SHARPNESS = st.sampled_from([1.0, 2.0])


def whole_batch(rows: PrefixRows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = rows.batch(np.arange(len(rows)))
    return batch["item_id_list"], batch["item_length"], batch["session_id"]


@given(LOGS, RULES, SHARPNESS)
def test_rows_are_distributions_or_empty(log: list[list[int]], rule: object, power: float) -> None:
    votes = SessionVotes(Sessions.from_lists(log), N_ITEMS, rule, 3, sharpness=power)
    prefixes, lengths = torch.tensor([[1, 2], [3, 0], [7, 0], [0, 0]]), torch.tensor([2, 1, 1, 0])
    shares = votes(prefixes, lengths)
    raw = votes.stored.scorer.scores(prefixes.numpy(), lengths.numpy())
    for row, (share, score) in enumerate(zip(shares, raw, strict=True)):
        known = any(item in session for item in prefixes[row].tolist() for session in log)
        powered = score**power if known else np.zeros(N_ITEMS)
        expected = powered / powered.sum() if powered.sum() else powered
        np.testing.assert_allclose(share.numpy(), expected, rtol=1e-4)
    assert shares.dtype == torch.float32 and shares[:, 0].sum() == 0


@given(LOGS, RULES)
def test_target_votes_are_those_of_the_whole_distribution(
    log: list[list[int]], rule: object
) -> None:
    sessions = Sessions.from_lists(log)
    votes = SessionVotes(sessions, N_ITEMS, rule, 3)
    rows = PrefixRows.of(sessions, max_length=4)
    found = votes.target_votes(rows)
    shares = votes(*whole_batch(rows))
    targets = torch.from_numpy(rows.targets)
    assert torch.equal(found, shares.gather(1, targets[:, None])[:, 0])


@given(LOGS, RULES)
def test_weights_are_votes_before_they_are_divided(log: list[list[int]], rule: object) -> None:
    sessions = Sessions.from_lists(log)
    votes = SessionVotes(sessions, N_ITEMS, rule, 3)
    rows = PrefixRows.of(sessions, max_length=4)
    prefixes, lengths, own = whole_batch(rows)
    raw = votes.stored.scorer.scores(prefixes.numpy(), lengths.numpy())
    np.testing.assert_allclose(votes.weights(prefixes, lengths).toarray(), raw, rtol=1e-5)
    of_target, of_all = votes.target_weights(rows).unbind(1)
    shares = votes(prefixes, lengths, own)
    of_targets = shares[torch.arange(len(rows)), torch.from_numpy(rows.targets)]
    torch.testing.assert_close(of_target, of_targets * of_all)
    assert torch.equal(of_all > 0, shares.sum(1) > 0)


def test_only_earlier_sessions_vote_on_training_rows() -> None:
    # only session 1 knows that 3 follows 1 and 2
    sessions = Sessions.from_lists([[1, 4], [1, 2, 3], [2, 3], [5, 6]])
    votes = SessionVotes(sessions, N_ITEMS, vsknn(inverse_frequency=False))
    prefix, length = torch.tensor([[1, 2]]), torch.tensor([2])
    assert votes(prefix, length)[0, 3] > 0
    assert votes(prefix, length, torch.tensor([1]))[0].nonzero().ravel().tolist() == [1, 4]
    rows = PrefixRows.of(sessions, max_length=50)
    assert votes.target_votes(rows).tolist() == pytest.approx([0, 0, 0, 1 / 3, 0])


def test_rows_of_other_sessions_are_refused() -> None:
    votes = SessionVotes(Sessions.from_lists([[1, 2], [2, 3]]), N_ITEMS)
    with pytest.raises(ValueError, match="training sessions"):
        votes.target_votes(PrefixRows.of(Sessions.from_lists([[1, 2]]), 50))


def test_state_holds_the_sessions() -> None:
    votes = SessionVotes(Sessions.from_lists([[1, 2, 3], [3, 4]]), N_ITEMS)
    other = SessionVotes(Sessions.from_lists([[6, 5]]), N_ITEMS)
    other.load_state_dict(votes.state_dict())
    prefix, length = torch.tensor([[1, 2]]), torch.tensor([2])
    assert torch.equal(other(prefix, length), votes(prefix, length))
