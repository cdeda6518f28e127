"""What every parameter-free baseline shares: counting, unknown clicks, the fall-back."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.ragged import BoolArray

ScoreArray = NDArray[np.float32]


class Scorer(ABC):
    """Scores all items for a batch of prefixes from counts of the training sessions.

    A click on an item that no training session holds (id 0 among them) is ignored, as if it
    had not happened; a prefix without any known click gets the training counts as scores.
    """

    popularity: IntArray

    @property
    def known(self) -> BoolArray:
        """Items with at least one training click, shape ``[n_items]``."""
        known: BoolArray = self.popularity > 0
        return known

    def fit(self, train: Sessions, n_items: int) -> None:
        """Count the training sessions; ``n_items`` includes the pad id 0."""
        self.popularity = train.item_counts(n_items)
        self._count(train)

    def scores(self, prefixes: IntArray, lengths: IntArray) -> ScoreArray:
        """Score every item as the next click.

        Shapes: prefixes ``[B, T]`` (left-aligned), lengths ``[B]`` -> float32 ``[B, n_items]``.
        """
        clicks = KnownClicks.of_padded(prefixes, lengths, self.known)
        scores = self._scores(clicks)
        scores[clicks.length == 0] = self.popularity
        return scores

    @abstractmethod
    def _count(self, train: Sessions) -> None:
        """Keep what the formula needs; ``popularity`` is already set."""

    @abstractmethod
    def _scores(self, clicks: KnownClicks) -> ScoreArray:
        """The formula, for rows with known clicks (others are overwritten)."""
