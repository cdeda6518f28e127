"""A claim on a run, so that two commands side by side never train the same one."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: set[Path] = set()
"""What this process has claimed: a grid claims a cell, and the run of the cell does so again."""


def lock_of(checkpoints: Path, run: str) -> Path:
    """The file whose lock is the claim on a run."""
    return checkpoints / ".locks" / run


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Hold an exclusive lock while the block runs; gives False where another process has it.

    The system lets go of the lock when the process ends, however it ends.
    """
    path = path.resolve()
    if path in _held:
        yield True
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        _held.add(path)
        try:
            yield True
        finally:
            _held.remove(path)
