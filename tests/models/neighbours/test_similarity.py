"""The pieces in which the neighbor methods differ."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.models.neighbours import similarity

COUNTS = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))


@given(COUNTS, COUNTS)
def test_equal_cosines_are_equal_floats(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    overlap, prefix, session = np.array([one, other]).T
    first, second = similarity.cosine(overlap.astype(float), prefix, session)
    exact = [Fraction(o * o, p * s) for o, p, s in (one, other)]
    assert (first == second) == (exact[0] == exact[1])
    assert (first > second) == (exact[0] > exact[1])
    assert math.isclose(first, math.sqrt(exact[0]))


def test_vote_reaches_zero_ten_clicks_back_and_stays_there() -> None:
    weights = similarity.linear_decay(np.array([0, 1, 9, 10, 11, 40]))
    np.testing.assert_allclose(weights, [1, 0.9, 0.1, 0, 0, 0])


def test_positions_add_up_to_the_published_similarity() -> None:
    # clicks 2 and 5 of a prefix of 5 are shared: (2/5 + 5/5) / 5
    position, length = np.array([2, 5]), np.array([5, 5])
    overlap = similarity.by_position(position, length).sum(keepdims=True)
    assert similarity.per_prefix(overlap, length[:1], np.array([9])).tolist() == [7 / 25]


def test_recency_weight_of_the_last_click_is_one() -> None:
    weights = similarity.by_recency(2.0, np.array([1, 3, 5]), np.array([5, 5, 5]))
    np.testing.assert_allclose(weights, np.exp([-2, -1, 0]))


def test_distance_weights() -> None:
    assert similarity.sknn().distance_weights(3).tolist() == [1, 1, 1, 1]
    decaying = similarity.stan(lambda3=2.0)
    np.testing.assert_allclose(decaying.distance_weights(2), np.exp([0, -0.5, -1]))
    silent = similarity.stan(lambda3=2.0, match_votes=False)
    np.testing.assert_allclose(silent.distance_weights(2), [0, *np.exp([-0.5, -1])])
