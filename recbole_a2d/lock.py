"""A claim on a run, a search or a data set, so that no two commands make the same."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from recbole_a2d.errors import UserError
from recbole_a2d.safe_write import require_writable

_held: set[Path] = set()
"""What this process has claimed: a grid claims a cell, and the run of the cell does so again."""


def lock_of(checkpoints: Path, run: str) -> Path:
    """The file whose lock is the claim on a run."""
    return checkpoints / ".locks" / run


@contextmanager
def to_itself(results: Path, checkpoints: Path, name: str) -> Iterator[None]:
    """Have a run or a search, and places to write to, while the block runs.

    Args:
        results, checkpoints: where it writes, as ``--results_dir`` and ``--checkpoint_dir`` say.
        name: of the run or search.

    Raises:
        UserError: they cannot be written to, or another process is at it.
    """
    require_writable(results, "--results_dir")
    require_writable(checkpoints, "--checkpoint_dir")
    with claimed(lock_of(checkpoints, name)) as free:
        if not free:
            raise UserError(
                f"{name}: another process is at it; wait for it, or choose another "
                "--results_dir and --checkpoint_dir"
            )
        yield


@contextmanager
def claimed(path: Path, *, keep: bool = True) -> Iterator[bool]:
    """Hold an exclusive lock while the block runs; gives False where another process has it.

    The system lets go of the lock when the process ends, however it ends.

    Args:
        path: file of the lock.
        keep: whether the file stays when the block has run, as it may in a folder of locks.
    """
    path = path.resolve()
    if path in _held:
        yield True
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        if not _locked(stream, path):
            yield False
            return
        _held.add(path)
        try:
            yield True
        finally:
            _held.remove(path)
            if not keep:
                path.unlink(missing_ok=True)


def _locked(stream: TextIO, path: Path) -> bool:
    """Lock an open file, if nobody has it and it still is the one of this path."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(path))
    except OSError:
        return False
