"""Whole sessions out of published (prefix, target) rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole_a2d.errors import UserError


def rebuild_sessions(
    path: Path, prefixes: Sequence[Sequence[int]], targets: Sequence[int]
) -> list[list[int]]:
    """Rebuild the sessions whose rows stand together, longest prefix first.

    A run of rows belongs to one session as long as each prefix is the one before without its last
    item, and its target is that item; it ends with a prefix of one item. The session is the first
    prefix of the run followed by its target. So every session makes exactly the rows of its run.

    Args:
        path: file of the rows, for messages.
        prefixes, targets: the rows.

    Raises:
        UserError: a run stops before its shortest prefix.
    """
    sessions: list[list[int]] = []
    prefix: Sequence[int] = ()
    for number, (next_prefix, target) in enumerate(zip(prefixes, targets, strict=True), start=1):
        if len(prefix) > 1:
            if not _continues(prefix, next_prefix, target):
                raise _broken_run(path, number - 1)
        else:
            sessions.append([*next_prefix, target])
        prefix = next_prefix
    if len(prefix) > 1:
        raise _broken_run(path, len(prefixes))
    return sessions


def _continues(prefix: Sequence[int], next_prefix: Sequence[int], target: int) -> bool:
    return target == prefix[-1] and next_prefix == prefix[:-1]


def _broken_run(path: Path, row: int) -> UserError:
    return UserError(
        f"{path}, row {row}: the shorter prefixes of this session do not follow; the rows of a "
        "session must stand together, longest prefix first, down to one item"
    )
