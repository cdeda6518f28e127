"""What all scorers share, on a scorer that does nothing of its own."""

from __future__ import annotations

import numpy as np
import pytest

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours.base import ScoreArray, Scorer
from recbole_a2d.models.neighbours.prefixes import KnownClicks


class LengthScorer(Scorer):
    """Every item scores the number of known clicks of the prefix."""

    def _count(self, train: Sessions) -> None:
        self.sessions = len(train)

    def _scores(self, clicks: KnownClicks) -> ScoreArray:
        return np.repeat(clicks.length[:, None], len(self.popularity), axis=1).astype(np.float32)


def test_unknown_clicks_are_dropped_and_empty_rows_get_popularity() -> None:
    scorer = LengthScorer()
    scorer.fit(Sessions.from_lists([[1, 2, 2], [2, 4]]), n_items=6)
    prefixes = np.array([[1, 0, 4, 5], [3, 5, 0, 0], [2, 1, 1, 1]])
    scores = scorer.scores(prefixes, np.array([4, 2, 1]))
    assert scorer.sessions == 2
    assert scores.tolist() == [[2] * 6, [0, 1, 3, 0, 1, 0], [1] * 6]
    assert scores.dtype == np.float32


@pytest.mark.parametrize("items", [[0, 1], [1, 8]])
def test_training_ids_outside_the_items_are_refused(items: list[int]) -> None:
    with pytest.raises(ValueError, match="1..7"):
        Sessions.from_lists([items]).item_counts(8)
