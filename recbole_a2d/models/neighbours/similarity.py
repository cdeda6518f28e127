"""Where SKNN, VSKNN, STAN and VSTAN differ: a handful of functions and decays.

Notation of the papers: s the prefix, n a training session, l their lengths in clicks, p(i, .)
the 1-based position of the last click on i, i* the most recent item of s that n holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from recbole_a2d.data.sessions import IntArray
from recbole_a2d.models.neighbours.ragged import FloatArray

ClickWeight = Callable[[IntArray, IntArray], FloatArray]
"""(p(i, s), l(s)) of every shared item -> its weight in the overlap of s and n."""
Normaliser = Callable[[FloatArray, IntArray, IntArray], FloatArray]
"""(overlap, l(s), l(n)) of every candidate -> its similarity."""
StepWeight = Callable[[IntArray], FloatArray]
"""Clicks between i* and the end of s -> factor of the neighbor's vote."""


def equal(position: IntArray, length: IntArray) -> FloatArray:
    """Every shared item counts 1 (SKNN)."""
    return np.ones(len(position))


def by_position(position: IntArray, length: IntArray) -> FloatArray:
    """p(i, s), to be divided by l(s) later (VSKNN).

    Whole numbers add up exactly, so that equal similarities are equal floats and the rule for
    ties decides, not a rounding error.
    """
    return position.astype(np.float64)


def by_recency(scale: float, position: IntArray, length: IntArray) -> FloatArray:
    """exp((p(i, s) - l(s)) / lambda1) (STAN, w1)."""
    decay: FloatArray = np.exp((position - length) / scale)
    return decay


def cosine(overlap: FloatArray, prefix_length: IntArray, session_length: IntArray) -> FloatArray:
    """overlap / sqrt(l(s) l(n)).

    Through one division of whole numbers, for the same reason as in `by_position`.
    """
    similarity: FloatArray = np.sqrt(overlap * overlap / (prefix_length * session_length))
    return similarity


def per_prefix(
    overlap: FloatArray, prefix_length: IntArray, session_length: IntArray
) -> FloatArray:
    """overlap / l(s)^2: once for p / l(s), once for VSKNN's own division by l(s)."""
    similarity: FloatArray = overlap / (prefix_length * prefix_length)
    return similarity


def constant(steps: IntArray) -> FloatArray:
    """The vote does not depend on where s and n met last."""
    return np.ones(len(steps))


def linear_decay(steps: IntArray) -> FloatArray:
    """max(0, 1 - 0.1 * steps) (VSKNN): a session met ten clicks ago has no vote."""
    return np.maximum(10 - steps, 0) / 10


@dataclass(frozen=True)
class NeighborRule:
    """One method of the family.

    Attributes:
        click_weight: weight of a shared item.
        normaliser: overlap -> similarity.
        step_weight: factor of a neighbor's vote, after the k nearest are chosen.
        age_scale: lambda2, fraction of the training period after which a session's similarity
            has fallen to 1 / e; None = off.
        distance_scale: lambda3, clicks away from i* in n after which a vote has fallen to 1 / e;
            None = off: every item of n gets the same vote.
        match_votes: whether n also votes for i* itself; matters only with a distance_scale.
        inverse_frequency: multiply votes for i by log(sessions / sessions with i).
    """

    click_weight: ClickWeight
    normaliser: Normaliser
    step_weight: StepWeight = constant
    age_scale: float | None = None
    distance_scale: float | None = None
    match_votes: bool = True
    inverse_frequency: bool = False

    def distance_weights(self, longest: int) -> FloatArray:
        """Factor of a vote by its distance 0..longest from i* in n; ``[longest + 1]``."""
        if self.distance_scale is None:
            return np.ones(longest + 1)
        weights: FloatArray = np.exp(-np.arange(longest + 1) / self.distance_scale)
        weights[0] = float(self.match_votes)
        return weights


def sknn() -> NeighborRule:
    """SKNN: cosine of item sets. Source: Jannach and Ludewig, RecSys 2017."""
    return NeighborRule(equal, cosine)


def vsknn(inverse_frequency: bool = True, session_norm: bool = False) -> NeighborRule:
    """VSKNN: recent clicks weigh more. Source: Ludewig and Jannach, UMUAI 28, 2018.

    Args:
        inverse_frequency: the idf factor of Ludewig et al., 2021.
        session_norm: divide the overlap by sqrt(l(s) l(n)) as SKNN does, not by l(s) alone;
            the scores then lack a factor 1 / l(s), the same for all items.
    """
    return NeighborRule(
        by_position,
        cosine if session_norm else per_prefix,
        linear_decay,
        inverse_frequency=inverse_frequency,
    )


def stan(
    lambda1: float | None = 1.0,
    lambda2: float | None = None,
    lambda3: float | None = 1.0,
    match_votes: bool = True,
) -> NeighborRule:
    """STAN: three exponential decays, each off when None. Source: Garg et al., SIGIR 2019."""
    return NeighborRule(
        equal if lambda1 is None else partial(by_recency, lambda1),
        cosine,
        age_scale=lambda2,
        distance_scale=lambda3,
        match_votes=match_votes,
    )


def vstan(
    lambda1: float | None = 2.0,
    lambda2: float | None = 0.3,
    lambda3: float | None = 2.0,
    match_votes: bool = True,
    inverse_frequency: bool = True,
) -> NeighborRule:
    """VSTAN: STAN with VSKNN's idf factor. Source: Ludewig et al., UMUAI 31, 2021."""
    decays = stan(lambda1, lambda2, lambda3, match_votes)
    return replace(decays, inverse_frequency=inverse_frequency)
