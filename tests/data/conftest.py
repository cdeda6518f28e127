"""Hypothesis strategies and small logs for the tests of the data stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from recbole_a2d.data.preprocess import build_log
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import Clicks, ConvertedLog

TOKENS = st.text(
    st.characters(exclude_characters="\t\r\n\0", exclude_categories=("Cs",)), min_size=1, max_size=8
)
SESSIONS = st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=6), min_size=2, max_size=8)
TIMES = st.floats(allow_nan=False, allow_infinity=False, width=64)


def make_clicks(sessions: list[list[int]], tokens: list[str], times: Any = None) -> Clicks:
    ragged = Sessions.from_lists(sessions)
    if times is None:
        times = np.arange(len(ragged.items), dtype=np.float64)
    return Clicks(ragged, np.array(tokens, dtype=object), np.asarray(times, dtype=np.float64))


def make_log(
    training: list[list[int]],
    test: list[list[int]],
    categories: dict[str, str] | None = None,
    **options: Any,
) -> ConvertedLog:
    """Items are named ``i0, i1 ...``, sessions ``s0, s1 ...``."""
    n_items = 1 + max(item for session in training + test for item in session)
    names = [f"s{number}" for number in range(len(training) + len(test))]
    return build_log(
        name=options.pop("name", "toy"),
        source="test",
        training=make_clicks(training, names[: len(training)]),
        test=make_clicks(test, names[len(training) :]),
        item_tokens=np.array([f"i{item}" for item in range(n_items)], dtype=object),
        category_of_item=categories or {},
        **options,
    )


@st.composite
def _random_logs(draw: st.DrawFn) -> ConvertedLog:
    training, test = draw(SESSIONS), draw(SESSIONS)
    n_sessions = len(training) + len(test)
    names = draw(st.lists(TOKENS, min_size=n_sessions, max_size=n_sessions, unique=True))
    items = draw(st.lists(TOKENS, min_size=10, max_size=10, unique=True))
    n_clicks = [sum(map(len, split)) for split in (training, test)]
    times = [draw(st.lists(TIMES, min_size=n, max_size=n)) for n in n_clicks]
    return build_log(
        name="toy",
        source="test",
        training=make_clicks(training, names[: len(training)], times[0]),
        test=make_clicks(test, names[len(training) :], times[1]),
        item_tokens=np.array(items, dtype=object),
        category_of_item=draw(st.dictionaries(st.sampled_from(items), TOKENS)),
        valid_fraction=draw(st.sampled_from([0.0, 0.05, 0.4])),
    )


@pytest.fixture(scope="session")
def random_logs() -> st.SearchStrategy[ConvertedLog]:
    """Strategy of random logs, unicode names and any finite time included."""
    return _random_logs()


@pytest.fixture(scope="session")
def toy_log() -> Any:
    """Function that makes a log of item lists."""
    return make_log


@pytest.fixture(scope="session")
def toy_clicks() -> Any:
    """Function that makes one split of item lists."""
    return make_clicks
