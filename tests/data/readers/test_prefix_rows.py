"""Whole test sessions out of (prefix, target) rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.data.readers.prefix_rows import rebuild_sessions
from recbole_a2d.errors import UserError

PATH = Path("test.txt")
SESSIONS = st.lists(st.lists(st.integers(1, 3), min_size=2, max_size=6), max_size=8)


def rows_of(sessions: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    """The published form, one row after the other."""
    prefixes, targets = [], []
    for session in sessions:
        for end in range(len(session) - 1, 0, -1):
            prefixes.append(session[:end])
            targets.append(session[end])
    return prefixes, targets


@given(SESSIONS)
def test_sessions_come_back_from_their_rows(sessions: list[list[int]]) -> None:
    """Few items, so that neighbouring sessions often look like one."""
    assert rebuild_sessions(PATH, *rows_of(sessions)) == sessions


@given(SESSIONS.filter(bool), st.data())
def test_rows_are_never_invented_or_lost(sessions: list[list[int]], data: st.DataObject) -> None:
    """With a row taken out, either it is an error or the sessions make exactly the rows left."""
    prefixes, targets = rows_of(sessions)
    gone = data.draw(st.integers(0, len(targets) - 1))
    del prefixes[gone], targets[gone]
    try:
        rebuilt = rebuild_sessions(PATH, prefixes, targets)
    except UserError:
        return
    assert rows_of(rebuilt) == (prefixes, targets)


def test_broken_run_is_named() -> None:
    with pytest.raises(UserError, match=r"test.txt, row 2: the shorter prefixes"):
        rebuild_sessions(PATH, [[5], [1, 2, 3], [7]], [6, 4, 8])
    with pytest.raises(UserError, match=r"test.txt, row 1: the shorter prefixes"):
        rebuild_sessions(PATH, [[1, 2]], [3])
