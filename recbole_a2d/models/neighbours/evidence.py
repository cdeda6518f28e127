"""What training sessions say of the next click, for use inside a trained model.

A model that sets counts beside its own answer needs two things of them: to rank, the weights of
all items (`Evidence.weights`); to train, those of each row's target and of all items together
(`Evidence.target_weights`, once for all training rows, 8 bytes a row). How much a weight of two
says against one of a hundred is for the model to learn, so they are not divided by their sum.

Training rows are cut from sessions that stand in the log themselves. They are told what the
sessions before their own say: their own knows the answer, and later ones make the counts look
better than they are in ranking, where all training sessions are earlier.
"""

from __future__ import annotations

from abc import abstractmethod

from scipy.sparse import csr_matrix
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows


class Evidence(nn.Module):
    """Weights of items by the training sessions, which are saved with the model; not learned.

    Attributes:
        title: what it is, for people.
    """

    title: str

    @abstractmethod
    def weights(self, prefixes: Tensor, lengths: Tensor) -> csr_matrix:
        """Weights of the items that may follow, by all training sessions; none negative.

        Shapes: prefixes ``[B, T]`` (left-aligned, padded with 0), lengths ``[B]`` ->
        ``[B, n_items]``; a row of which no session tells is empty.
        """

    @abstractmethod
    def target_weights(self, rows: PrefixRows) -> Tensor:
        """Of each training row's target, and of all items, by the sessions before its own.

        Args:
            rows: rows of the very training sessions this was built from.

        Returns:
            ``[rows, 2]``, float32.

        Raises:
            ValueError: they are rows of other sessions.
        """
