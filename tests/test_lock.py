"""Locks whose file goes with them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.lock import claimed


@pytest.mark.parametrize("keep", [True, False])
def test_the_file_of_a_lock(tmp_path: Path, keep: bool) -> None:
    for _ in range(2):
        with claimed(tmp_path / "deep" / "lock", keep=keep) as free:
            assert free
            assert (tmp_path / "deep" / "lock").is_file()
        assert (tmp_path / "deep" / "lock").is_file() is keep


def test_a_file_that_went_before_it_was_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on it would keep nobody out: the next one makes and locks a new file."""
    lock = fcntl.flock

    def late(stream: Any, operation: int) -> None:
        os.unlink(tmp_path / "lock")
        lock(stream, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with claimed(tmp_path / "lock", keep=False) as free:
        assert not free


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with claimed(tmp_path / "lock") as free:
        assert free
    assert (tmp_path / "victim").read_text() == "mine"
