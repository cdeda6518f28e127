"""Writing that leaves the former files whole when it is cut short."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_a2d.errors import UserError, reason


@contextmanager
def replaced_folder(folder: Path, own: Collection[str]) -> Iterator[Path]:
    """Give an empty folder to fill, which then takes the place of ``folder``.

    The new files are written to ``.NAME.new``. When the block ends, the former folder becomes
    ``.NAME.former``, the new one gets its name, and the former is deleted. If the process dies
    between those renames, ``restore_former`` (called by every reader) brings the former back.

    Args:
        folder: to fill; no other process may fill it meanwhile.
        own: names of the files that it may hold and that may be lost.

    Raises:
        UserError: ``folder`` exists and is no folder, or holds anything else.
    """
    restore_former(folder)
    refuse_foreign_files(folder, own)
    fresh = _sibling(folder, "new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def refuse_foreign_files(folder: Path, own: Collection[str]) -> None:
    """Refuse to replace what is no folder, or one that holds files of other names than ``own``.

    Raises:
        UserError: as said.
    """
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        what = "a folder but a link" if stat.S_ISLNK(mode) else "a folder"
        raise UserError(f"{folder} is not {what}: choose another place to write to")
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in own)
    if foreign:
        raise UserError(
            f"{folder} holds other files ({foreign[0]}): it would be replaced as a whole, "
            "so choose an empty or new folder"
        )


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, which then takes the place of ``path`` in one step.

    Missing folders are made. A link to a file becomes a file itself: nothing is written through it.
    The path given is the process's own: of several that write the file at once, the last one wins.

    Raises:
        UserError: ``path`` is a folder, a device or a pipe, or a link to one.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no ordinary file; name another to write to")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)  # a link left there would lead the writing elsewhere
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def require_writable(folder: Path, option: str) -> None:
    """Make a folder and see whether files can be made in it, before hours of work for nothing.

    Raises:
        UserError: they cannot; the message names the option that chooses the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written to ({reason(error)}); choose {option}"
        ) from error


def restore_former(folder: Path) -> None:
    """Undo a replacement that was cut short between its two renames."""
    former = _sibling(folder, "former")
    if former.is_dir() and not folder.exists():
        os.rename(former, folder)


def _swap(fresh: Path, folder: Path) -> None:
    former = _sibling(folder, "former")
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        os.rename(folder, former)
    try:
        os.rename(fresh, folder)
    except BaseException:
        restore_former(folder)
        raise
    if former.exists():  # renamed first, so that a half-deleted one is never brought back
        discarded = _sibling(folder, "discarded")
        shutil.rmtree(discarded, ignore_errors=True)
        os.rename(former, discarded)
        shutil.rmtree(discarded, ignore_errors=True)


def _sibling(folder: Path, role: str) -> Path:
    return folder.with_name(f".{folder.name}.{role}")
