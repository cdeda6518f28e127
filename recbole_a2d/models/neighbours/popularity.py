"""Pop and S-Pop: what is clicked most, over all sessions and within this one."""

from __future__ import annotations

import numpy as np

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.base import ScoreArray, Scorer
from recbole_a2d.models.neighbours.prefixes import KnownClicks


class PopularityScorer(Scorer):
    """Pop: the score of an item is its number of training clicks."""

    def _count(self, train: Sessions) -> None:
        pass

    def _scores(self, clicks: KnownClicks) -> ScoreArray:
        return np.tile(self.popularity.astype(np.float32), (clicks.rows, 1))


class SessionPopularityScorer(Scorer):
    """S-Pop: items by their count in the current session, equal counts by Pop.

    The score is ``count * levels + level``, where ``level`` numbers the distinct training
    counts upwards: whole numbers that float32 holds exactly, so ties are those of the formula.
    """

    def _count(self, train: Sessions) -> None:
        counts, self._level = np.unique(self.popularity, return_inverse=True)
        self._levels = len(counts)

    def _scores(self, clicks: KnownClicks) -> ScoreArray:
        scores = np.tile(self._level.astype(np.float32), (clicks.rows, 1))
        np.add.at(scores, (clicks.row, clicks.item), np.float32(self._levels))
        return scores
