"""SKNN, VSKNN, STAN and VSTAN against the formulas in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.models.neighbours import session_knn, similarity
from recbole_a2d.models.neighbours.prefixes import KnownClicks
from recbole_a2d.models.neighbours.session_knn import SessionKNN

N_ITEMS = 9
CLICKS = st.lists(st.integers(1, 7), min_size=1, max_size=13)
LOGS = st.lists(CLICKS, min_size=1, max_size=12)
PREFIX = st.lists(st.integers(0, 8), min_size=1, max_size=13)
NEAREST = st.integers(1, 5)
SAMPLE = st.sampled_from([None, 0, 1, 3])


def position(item: int, clicks: list[int]) -> int:
    """1-based position of the last click on the item."""
    return max(place for place, clicked in enumerate(clicks, 1) if clicked == item)


def plain_sknn(s: list[int], n: list[int], age: float) -> tuple[Any, float, Callable[..., float]]:
    square = Fraction(len(set(s) & set(n)) ** 2, len(s) * len(n))
    return square, math.sqrt(square), lambda item: 1.0


def plain_vsknn(s: list[int], n: list[int], age: float) -> tuple[Any, float, Callable[..., float]]:
    shared = set(s) & set(n)
    similarity = sum(Fraction(position(i, s), len(s)) for i in shared) / len(s)
    star = max(shared, key=lambda i: position(i, s))
    weight = max(0.0, 1 - 0.1 * (len(s) - position(star, s)))
    return similarity, float(similarity) * weight, lambda item: 1.0


def plain_vsknn_cosine(
    s: list[int], n: list[int], age: float
) -> tuple[Any, float, Callable[..., float]]:
    overlap = sum(position(i, s) for i in set(s) & set(n))
    square = Fraction(overlap**2, len(s) * len(n))
    steps = len(s) - max(position(i, s) for i in set(s) & set(n))
    return square, math.sqrt(square) * max(0.0, 1 - 0.1 * steps), lambda item: 1.0


def plain_stan(
    lambda1: float, lambda2: float | None, lambda3: float | None, match_votes: bool
) -> Callable[..., tuple[Any, float, Callable[..., float]]]:
    def method(s: list[int], n: list[int], age: float) -> tuple[Any, float, Callable[..., float]]:
        shared = sorted(set(s) & set(n), key=lambda i: position(i, s))
        overlap = sum(math.exp((position(i, s) - len(s)) / lambda1) for i in shared)
        similarity = overlap / math.sqrt(len(s) * len(n))
        if lambda2:
            similarity *= math.exp(-age / lambda2)

        def vote(item: int) -> float:
            if lambda3 is None:
                return 1.0
            if item == shared[-1] and not match_votes:
                return 0.0
            return math.exp(-abs(position(item, n) - position(shared[-1], n)) / lambda3)

        # Rounded, so that equal sums are ties whatever the rounding of the last bit.
        return round(similarity, 12), similarity, vote

    return method


class Method(NamedTuple):
    rule: similarity.NeighborRule
    plain: Callable[..., tuple[Any, float, Callable[..., float]]]
    idf: bool = False


METHODS = {
    "SKNN": Method(similarity.sknn(), plain_sknn),
    "VSKNN": Method(similarity.vsknn(inverse_frequency=False), plain_vsknn),
    "VSKNN idf": Method(similarity.vsknn(), plain_vsknn, idf=True),
    "VSKNN cosine": Method(
        similarity.vsknn(inverse_frequency=False, session_norm=True), plain_vsknn_cosine
    ),
    "STAN": Method(similarity.stan(1.0, None, 1.0), plain_stan(1.0, None, 1.0, True)),
    "STAN age": Method(similarity.stan(0.7, 0.4, 1.5), plain_stan(0.7, 0.4, 1.5, True)),
    "STAN no distance": Method(similarity.stan(1.0, 0.5, None), plain_stan(1.0, 0.5, None, True)),
    "STAN no match": Method(
        similarity.stan(1.0, None, 1.0, match_votes=False), plain_stan(1.0, None, 1.0, False)
    ),
    "VSTAN": Method(similarity.vstan(2.0, 0.3, 2.0), plain_stan(2.0, 0.3, 2.0, True), idf=True),
}
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)


def plain_scores(
    method: Method,
    log: list[list[int]],
    prefix: list[int],
    nearest: int,
    sample_size: int | None,
    own: int | None = None,
) -> list[float]:
    seen = {item for session in log for item in session}
    s = [item for item in prefix if item in seen]
    if not s:
        return [sum(session.count(item) for session in log) for item in range(N_ITEMS)]
    now = len(log) if own is None else own
    sharing = [t for t, n in enumerate(log[:now]) if set(s) & set(n)]
    if sample_size:
        sharing = sharing[-sample_size:]
    voters = [(method.plain(s, log[t], abs(now - t) / len(log)), t) for t in sharing]
    voters = sorted(voters, key=lambda voter: (voter[0][0], voter[1]), reverse=True)[:nearest]
    scores = [0.0] * N_ITEMS
    for (_, weight, vote), t in voters:
        for item in set(log[t]):
            holders = sum(item in session for session in log)
            idf = math.log(len(log) / holders) if method.idf else 1.0
            scores[item] += weight * vote(item) * idf
    return scores


def fitted(
    method: Method, log: list[list[int]], nearest: int, sample_size: int | None
) -> SessionKNN:
    scorer = SessionKNN(method.rule, nearest, sample_size)
    scorer.fit(Sessions.from_lists(log), N_ITEMS)
    return scorer


def score(scorer: SessionKNN, prefixes: list[list[int]]) -> np.ndarray:
    lengths = np.array([len(prefix) for prefix in prefixes])
    width = max(*lengths, 1) if len(lengths) > 1 else max(lengths[0], 1)
    rows = [[*prefix, *[0] * (width - len(prefix))] for prefix in prefixes]
    return scorer.scores(np.array(rows), lengths)


@EVERY_METHOD
@given(log=LOGS, prefix=PREFIX, nearest=NEAREST, sample_size=SAMPLE)
def test_formula(
    name: str, log: list[list[int]], prefix: list[int], nearest: int, sample_size: int | None
) -> None:
    method = METHODS[name]
    scores = score(fitted(method, log, nearest, sample_size), [prefix])[0]
    expected = plain_scores(method, log, prefix, nearest, sample_size)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-9)


@EVERY_METHOD
@given(log=LOGS, nearest=NEAREST, sample_size=SAMPLE, data=st.data())
def test_only_earlier_sessions_vote_on_a_training_row(
    name: str, log: list[list[int]], nearest: int, sample_size: int | None, data: st.DataObject
) -> None:
    method = METHODS[name]
    own = data.draw(st.integers(0, len(log) - 1))
    scorer = fitted(method, log, nearest, sample_size)
    sessions = Sessions.from_lists(log)
    end = sessions.offsets[own : own + 1] + data.draw(st.integers(1, len(log[own])))
    start = sessions.offsets[own : own + 1]
    clicks = KnownClicks.of_ranges(sessions.items, start, end, scorer.known)
    votes = scorer.votes(clicks, np.array([own])).toarray()[0]
    prefix = sessions.items[start[0] : end[0]].tolist()
    expected = plain_scores(method, log, prefix, nearest, sample_size, own)
    np.testing.assert_allclose(votes, expected, rtol=1e-9, atol=1e-12)


@EVERY_METHOD
@given(
    log=LOGS,
    prefixes=st.lists(st.lists(st.integers(0, 8), max_size=8), min_size=2, max_size=6),
    at_once=st.sampled_from([1, 3, 1000]),
)
def test_rows_do_not_depend_on_each_other(
    name: str, log: list[list[int]], prefixes: list[list[int]], at_once: int
) -> None:
    scorer = fitted(METHODS[name], log, 2, None)
    alone = np.concatenate([score(scorer, [prefix]) for prefix in prefixes])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_knn, "MATCHES_AT_ONCE", at_once)
        np.testing.assert_array_equal(score(scorer, prefixes), alone)


@EVERY_METHOD
@given(log=LOGS, prefix=PREFIX)
def test_unknown_clicks_change_nothing(name: str, log: list[list[int]], prefix: list[int]) -> None:
    scorer = fitted(METHODS[name], log, 3, None)
    with_unknown = [clicked for item in prefix for clicked in (0, item, 8)]
    np.testing.assert_array_equal(score(scorer, [with_unknown]), score(scorer, [prefix]))


@EVERY_METHOD
def test_prefix_without_known_click_gets_popularity(name: str) -> None:
    scorer = fitted(METHODS[name], [[1, 2, 2], [2, 3]], 3, None)
    popularity = [0, 1, 3, 1, 0, 0, 0, 0, 0]
    assert score(scorer, [[], [0, 0], [8]]).tolist() == [popularity] * 3


@EVERY_METHOD
def test_ties_go_to_the_more_recent_session(name: str) -> None:
    log = [[1, 2], [1, 3], [1, 4], [5, 6]]
    scores = score(fitted(METHODS[name], log, 2, None), [[1]])[0]
    assert scores[2] == 0 and scores[3] > 0 and scores[4] > 0


def test_sample_holds_the_most_recent_sharing_sessions() -> None:
    # the nearest session shares both clicks, but it is too old to be a candidate
    log = [[1, 2, 3], [1, 4], [2, 5], [6, 7]]
    method = METHODS["SKNN"]
    everyone = score(fitted(method, log, 1, None), [[1, 2]])[0]
    sampled = score(fitted(method, log, 1, 2), [[1, 2]])[0]
    assert everyone.nonzero()[0].tolist() == [1, 2, 3]
    assert sampled.nonzero()[0].tolist() == [2, 5]


def test_repeated_click_counts_at_its_last_position() -> None:
    # item 1 comes last, so the session that shares it is nearer than the one that shares 2
    log = [[1, 3], [2, 4]]
    scores = score(fitted(METHODS["VSKNN"], log, 1, None), [[1, 2, 1]])[0]
    assert scores.nonzero()[0].tolist() == [1, 3]
