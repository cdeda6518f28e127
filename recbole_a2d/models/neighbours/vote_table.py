"""Votes for all training rows, computed once and sliced by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.models.neighbours.ragged import largest_of_each_row
from recbole_a2d.models.neighbours.votes import ROWS_AT_ONCE, SessionVotes, normalized


@dataclass(frozen=True)
class VoteTable:
    """The ``top`` likeliest next items of every training row, as a float32 CSR matrix.

    What is cut off is spread over what is left: every row with votes sums to 1.

    Attributes:
        matrix: shape ``[rows, n_items]``, at most ``top`` entries a row.
    """

    matrix: sparse.csr_matrix

    @classmethod
    def build(cls, votes: SessionVotes, rows: PrefixRows, top: int = 200) -> VoteTable:
        """Compute the table.

        Args:
            votes: built from the sessions of ``rows``.
            rows: all training rows.
            top: entries kept in a row; 8 bytes each.
        """
        starts = range(0, len(rows), ROWS_AT_ONCE)
        parts = [
            strongest(votes.of_rows(rows, slice(start, start + ROWS_AT_ONCE)), top)
            for start in starts
        ]
        return cls(sparse.vstack(parts, format="csr"))

    def dense(self, row_ids: Tensor) -> Tensor:
        """Distributions of some rows, ``[B] -> [B, n_items]`` float32 on the ids' device."""
        part = self.matrix[row_ids.cpu().numpy()]
        return torch.from_numpy(part.toarray()).to(row_ids.device)

    @property
    def bytes(self) -> int:
        """Memory of the table."""
        return int(self.matrix.data.nbytes + self.matrix.indices.nbytes + self.matrix.indptr.nbytes)


def strongest(votes: sparse.csr_matrix, top: int) -> sparse.csr_matrix:
    """The ``top`` largest entries of each row, normalised; among equals the higher item id."""
    votes.sort_indices()
    row = np.repeat(np.arange(votes.shape[0]), np.diff(votes.indptr))
    keep = largest_of_each_row(row, votes.data, votes.shape[0], top)
    offsets = np.append(0, np.cumsum(keep))[votes.indptr]
    kept = sparse.csr_matrix((votes.data[keep], votes.indices[keep], offsets), shape=votes.shape)
    return normalized(kept)
