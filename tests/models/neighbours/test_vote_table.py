"""The table of training votes against votes asked for one batch at a time."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.vote_table import VoteTable, strongest
from recbole_a2d.models.neighbours.votes import SessionVotes

N_ITEMS = 8
LOGS = st.lists(st.lists(st.integers(1, 6), min_size=2, max_size=6), min_size=1, max_size=8)


@given(LOGS)
def test_uncut_table_is_the_votes(log: list[list[int]]) -> None:
    sessions = Sessions.from_lists(log)
    votes = SessionVotes(sessions, N_ITEMS, neighbors=3)
    rows = PrefixRows.of(sessions, max_length=50)
    batch = rows.batch(np.arange(len(rows))[::-1].copy())
    found = VoteTable.build(votes, rows, top=N_ITEMS).dense(batch["row_id"])
    expected = votes(batch["item_id_list"], batch["item_length"], batch["session_id"])
    torch.testing.assert_close(found, expected)


@given(LOGS, st.integers(1, 4))
def test_cut_rows_keep_the_largest_and_sum_to_one(log: list[list[int]], top: int) -> None:
    sessions = Sessions.from_lists(log)
    votes = SessionVotes(sessions, N_ITEMS, neighbors=3)
    rows = PrefixRows.of(sessions, max_length=50)
    whole = votes.of_rows(rows, slice(0, len(rows))).toarray()
    table = VoteTable.build(votes, rows, top).dense(torch.arange(len(rows))).numpy()
    for full, cut in zip(whole, table, strict=True):
        best = sorted(range(N_ITEMS), key=lambda item: (full[item], item), reverse=True)[:top]
        expected = np.array([full[i] if i in best else 0.0 for i in range(N_ITEMS)])
        total = expected.sum()
        np.testing.assert_allclose(cut, expected / total if total else expected, rtol=1e-4)


def test_among_equals_the_higher_id_stays() -> None:
    kept = strongest(csr_matrix([[0.0, 0.25, 0.25, 0.5]], dtype=np.float32), 2)
    np.testing.assert_allclose(kept.toarray(), [[0, 0, 1 / 3, 2 / 3]], rtol=1e-6)
