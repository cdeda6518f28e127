"""Raw logs as they are downloaded: plain, gzip or zip, read as one stream of bytes."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from errno import EINVAL
from pathlib import Path
from typing import IO, cast

from recbole_a2d.array_file import DAMAGED
from recbole_a2d.errors import UserError, reason

READ_BYTES = 1 << 24
PACKED = (".gz", ".zip")

Read = Callable[[int], bytes]


def find_file(raw: Path, names: Sequence[str], what: str) -> Path:
    """The file to read: ``raw`` itself, or the one in the folder ``raw`` that bears a name.

    Args:
        raw: what the user gave to ``--raw``.
        names: accepted file names; each also with ``.gz`` or ``.zip`` behind.
        what: the content in words, for messages.

    Raises:
        UserError: there is none, or more than one.
    """
    found = find_optional(raw, names)
    if found is None:
        raise UserError(
            f"{raw} does not hold {' or '.join(names)} ({what}), plain, .gz or .zip: give the "
            "file or its folder to --raw"
        )
    return found


def find_optional(raw: Path, names: Sequence[str]) -> Path | None:
    """Like ``find_file``, None where there is none."""
    if raw.is_file():
        return raw
    places = [raw / (name + packing) for name in names for packing in ("", *PACKED)]
    found = [place for place in places if place.is_file()]
    if len(found) > 1:
        raise UserError(
            f"{raw} holds both {found[0].name} and {found[1].name}: move one of them away"
        )
    return found[0] if found else None


def require_file(path: Path, option: str = "--raw") -> None:
    """Refuse what is no file; a pipe would be waited for without end.

    Args:
        path: of a raw file.
        option: that names it.

    Raises:
        UserError: as said.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file: give the raw file to {option}")


@contextmanager
def open_raw(path: Path) -> Iterator[Read]:
    """A function that reads the next bytes of a raw file, unpacked.

    A zip has to hold exactly one file; nothing is ever extracted to disk.

    Raises:
        UserError: the file is missing, truncated, or not what its name says; the function raises
            it too.
    """
    require_file(path)
    with ExitStack() as opened:
        with _told(path):
            stream = _open(path, opened)

        def read(size: int) -> bytes:
            with _told(path):
                return stream.read(size)

        yield read


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in one line what opening or reading a file raises; nothing else is caught by it."""
    try:
        yield
    except RuntimeError as error:  # packed in a way, or with a password, that zipfile lacks
        raise UserError(
            f"{path} cannot be unpacked ({reason(error)}): unpack it by hand"
        ) from error
    except DAMAGED as error:
        # Damaged numbers in a zip lead to places that no file has (EINVAL).
        if isinstance(error, OSError) and error.errno not in (None, EINVAL):
            raise UserError(f"{path}: {reason(error)}; check that it can be read") from error
        raise UserError(
            f"{path} is truncated or damaged ({reason(error)}): download or pack it again"
        ) from error


def _open(path: Path, opened: ExitStack) -> IO[bytes]:
    """The unpacked bytes of a file; ``opened`` gets all that has to be closed."""
    packing = path.suffix.lower()
    if packing == ".gz":
        return cast(IO[bytes], opened.enter_context(gzip.open(path)))
    if packing == ".zip":
        archive = opened.enter_context(zipfile.ZipFile(path))
        return opened.enter_context(archive.open(_member(archive, path)))
    return opened.enter_context(path.open("rb"))


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise UserError(
            f"{path} holds {len(members)} files instead of one: unpack it and give the file that "
            "is meant"
        )
    return members[0]
