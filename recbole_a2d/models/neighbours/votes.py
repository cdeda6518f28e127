"""Votes of the nearest training sessions, for use inside a trained model.

As evidence (:mod:`~recbole_a2d.models.neighbours.evidence`), or as a probability of its own that a
model mixes in, ``p = (1 - w) p_model + w p_votes``: to train it needs `SessionVotes.target_votes`,
to rank the whole distribution (`SessionVotes.forward`). ``own_session`` leaves only the sessions
before a row's own to vote.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.evidence import Evidence
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.session_knn import SessionKNN
from recbole_a2d.models.neighbours.similarity import NeighborRule, vsknn
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer

ROWS_AT_ONCE = 4096


class SessionVotes(Evidence):
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

    title = "votes of the nearest sessions"

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
        own = None if own_session is None else own_session.cpu().numpy()
        return normalized(self._counted(self.stored.known_clicks(prefixes, lengths), own))

    def weights(self, prefixes: Tensor, lengths: Tensor) -> csr_matrix:
        """See :class:`Evidence`."""
        return self._counted(self.stored.known_clicks(prefixes, lengths), None)

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

        Raises:
            ValueError: the rows are not those of the training sessions.
        """
        of_target, of_all = self._target_weights(rows).T
        return torch.from_numpy((of_target / np.where(of_all > 0, of_all, 1)).astype(np.float32))

    def target_weights(self, rows: PrefixRows) -> Tensor:
        """See :class:`Evidence`."""
        return torch.from_numpy(self._target_weights(rows)).float()

    def _target_weights(self, rows: PrefixRows) -> NDArray[np.float64]:
        self.stored.require_rows_of_train(rows)
        found = np.zeros((len(rows), 2))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            votes, targets = self._of_rows(rows, part), rows.targets[part]
            found[part, 0] = np.asarray(votes[np.arange(len(targets)), targets]).ravel()
            found[part, 1] = np.asarray(votes.sum(axis=1)).ravel()
        return found

    def _of_rows(self, rows: PrefixRows, part: slice) -> csr_matrix:
        """Votes on a range of training rows, each by the sessions before its own."""
        clicks = KnownClicks.of_ranges(
            rows.sessions.items, rows.start[part], rows.end[part], self.stored.scorer.known
        )
        return self._counted(clicks, rows.session[part])

    def _counted(self, clicks: KnownClicks, own_session: IntArray | None) -> csr_matrix:
        votes = self.stored.scorer.votes(clicks, own_session)
        if self.sharpness != 1:
            votes.data **= self.sharpness
        return votes


def normalized(votes: csr_matrix) -> csr_matrix:
    """Rows divided by their sums, in float32; rows without entries stay empty."""
    totals = np.asarray(votes.sum(axis=1)).ravel()
    votes.data /= np.repeat(totals, np.diff(votes.indptr))
    return votes.astype(np.float32)
