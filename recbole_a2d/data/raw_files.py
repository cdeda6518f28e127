"""Raw logs as they are downloaded: plain, gzip or zip, read as one stream of bytes."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from recbole_a2d.errors import UserError

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
            f"{raw} holds both {found[0].name} and {found[1].name}: give one of them to --raw"
        )
    return found[0] if found else None


def require_file(path: Path) -> None:
    """Refuse what is no file; a pipe would be waited for without end.

    Raises:
        UserError: as said.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file: give the raw file to --raw")


@contextmanager
def open_raw(path: Path) -> Iterator[Read]:
    """A function that reads the next bytes of a raw file, unpacked.

    A zip has to hold exactly one file; nothing is ever extracted to disk.

    Raises:
        UserError: the file is missing, truncated, or not what its name says.
    """
    require_file(path)
    try:
        with _opened(path) as read:
            yield read
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is truncated or damaged ({error}): download or pack it again"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[Read]:
    if path.suffix == ".gz":
        with gzip.open(path) as unpacked:
            yield unpacked.read
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, _open_member(archive, path) as member:
            yield member.read
    else:
        with path.open("rb") as file:
            yield file.read


def _open_member(archive: zipfile.ZipFile, path: Path) -> IO[bytes]:
    members = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise UserError(
            f"{path} holds {len(members)} files instead of one: unpack it and give the folder to "
            "--raw"
        )
    try:
        return archive.open(members[0])
    except (RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path} cannot be unpacked ({error}): unpack it by hand") from error
