"""Votes of the nearest training sessions as a probability, for use inside a trained model.

A model that mixes them in, ``p = (1 - w) p_model + w p_votes``, needs two things of its batch:

- to train: the votes for each row's target only (`SessionVotes.target_votes` once for all
  training rows, 4 bytes a row; the whole distribution is never needed for the loss);
- to rank: the whole distribution (`SessionVotes.forward`).

Training rows are cut from sessions that stand in the log themselves: ``own_session`` leaves only
those before a row's own to vote. Its own knows the answer, and later ones make votes look better
than they are in ranking, where all voters are earlier.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.session_knn import SessionKNN
from recbole_a2d.models.neighbours.similarity import NeighborRule, vsknn
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer

ROWS_AT_ONCE = 4096


class SessionVotes(nn.Module):
    """Next-item distribution by the nearest training sessions; nothing in it is learned.

    The training sessions are saved with the model that holds this (16 bytes a click at most).
    Each row's votes are divided by their sum. A row without votes (no known click, or no other
    session shares one) is all zeros. Item frequencies behind the idf factor count every
    training session, a row's own and later ones included.

    Args:
        train: training sessions, item ids 1..n_items - 1.
        n_items: number of item ids, pad included.
        rule: the voting method; None = VSKNN with idf.
        neighbors: how many of the nearest sessions vote.
        sample_size: candidates are so many of the most recent sessions; None = all.
        sharpness: votes are raised to this power before they are divided by their sum; above 1
            the favourites gain.
    """

    def __init__(
        self,
        train: Sessions,
        n_items: int,
        rule: NeighborRule | None = None,
        neighbors: int = 500,
        sample_size: int | None = None,
        sharpness: float = 1.0,
    ) -> None:
        super().__init__()
        self.sharpness = sharpness
        scorer = SessionKNN(rule or vsknn(), neighbors, sample_size)
        self.stored = StoredScorer(scorer, train, n_items)

    def sparse(
        self, prefixes: Tensor, lengths: Tensor, own_session: Tensor | None = None
    ) -> csr_matrix:
        """Distribution over items as a float32 CSR matrix, shape ``[B, n_items]``.

        Shapes: prefixes ``[B, T]`` (left-aligned, padded with 0), lengths ``[B]``, own_session
        ``[B]``: index of the training session that a row was cut from.
        """
        clicks = KnownClicks.of_padded(_array(prefixes), _array(lengths), self.stored.scorer.known)
        return self._distribution(clicks, None if own_session is None else _array(own_session))

    def forward(
        self, prefixes: Tensor, lengths: Tensor, own_session: Tensor | None = None
    ) -> Tensor:
        """The same as a dense float32 tensor on the prefixes' device, shape ``[B, n_items]``."""
        votes = self.sparse(prefixes, lengths, own_session)
        return torch.from_numpy(votes.toarray()).to(prefixes.device)

    def target_votes(self, rows: PrefixRows) -> Tensor:
        """Share of the votes that the target of every training row gets, ``[rows]``.

        Args:
            rows: rows of the very training sessions this was built from.
        """
        shares = np.zeros(len(rows), dtype=np.float32)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            votes, targets = self.of_rows(rows, part), rows.targets[part]
            shares[part] = np.asarray(votes[np.arange(len(targets)), targets]).ravel()
        return torch.from_numpy(shares)

    def of_rows(self, rows: PrefixRows, part: slice) -> csr_matrix:
        """Distributions of a range of training rows, each by the sessions before its own.

        Raises:
            ValueError: the rows are not those of the training sessions.
        """
        if len(rows.sessions) != self.stored.scorer.index.sessions:
            raise ValueError("rows must be those of the training sessions the votes count")
        clicks = KnownClicks.of_ranges(
            rows.sessions.items, rows.start[part], rows.end[part], self.stored.scorer.known
        )
        return self._distribution(clicks, rows.session[part])

    def _distribution(self, clicks: KnownClicks, own_session: IntArray | None) -> csr_matrix:
        votes = self.stored.scorer.votes(clicks, own_session)
        if self.sharpness != 1:
            votes.data **= self.sharpness
        return normalized(votes)


def normalized(votes: csr_matrix) -> csr_matrix:
    """Rows divided by their sums, in float32; rows without entries stay empty."""
    totals = np.asarray(votes.sum(axis=1)).ravel()
    votes.data /= np.repeat(totals, np.diff(votes.indptr))
    return votes.astype(np.float32)


def _array(tensor: Tensor) -> IntArray:
    array: IntArray = tensor.detach().cpu().numpy()
    return array
