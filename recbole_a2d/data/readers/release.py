"""Published session data in its three forms: pickles, plain text, and NumPy archive.

The forms hold the same: whole training sessions in time order, whole test sessions, and the
category of items. The pickles hold the test sessions as (prefix, target) rows instead.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.array_file import DAMAGED
from recbole_a2d.data.readers.plain_pickle import MAX_BYTES, read_plain_pickle
from recbole_a2d.data.readers.prefix_rows import rebuild_sessions
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import StringArray
from recbole_a2d.errors import UserError
from recbole_a2d.safe_write import replaced_file

PICKLES = ("all_train_seq.txt", "test.txt", "category.txt")
TEXTS = ("train_sessions.txt", "test_sessions.txt", "categories.txt")
ARCHIVE = "sessions.npz"
NOT_A_WORD = re.compile("[\\s\ud800-\udfff]|^\ufeff|^$")  # a mark of byte order is no letter


@dataclass(frozen=True)
class Release:
    """Published sessions: codes into ``item_tokens``, and item token to category token."""

    train: Sessions
    test: Sessions
    item_tokens: StringArray
    category_of_item: dict[str, str]


def read_release(folder: Path, max_bytes: int = MAX_BYTES) -> Release:
    """Read whichever form ``folder`` holds.

    Raises:
        UserError: it holds none of them, or the files are broken.
    """
    for files, read in ((PICKLES, read_pickles), (TEXTS, read_texts), ((ARCHIVE,), read_archive)):
        if (folder / files[0]).is_file():
            return read(folder, max_bytes)
    raise UserError(
        f"{folder} holds neither {PICKLES[0]} nor {TEXTS[0]} nor {ARCHIVE}: give the folder of "
        "the published files to --raw"
    )


# ----------------------------------------------------------------------------------- pickles


def read_pickles(folder: Path, max_bytes: int = MAX_BYTES) -> Release:
    """Read ``all_train_seq.txt``, ``test.txt`` (prefixes and targets) and ``category.txt``."""
    train_path, test_path, category_path = (folder / name for name in PICKLES)
    train = _sessions_of(train_path, read_plain_pickle(train_path, max_bytes))
    test = rebuild_sessions(
        test_path, *_rows_of(test_path, read_plain_pickle(test_path, max_bytes))
    )
    category = _category_map(category_path, read_plain_pickle(category_path, max_bytes))
    return _release(train, test, {str(item): str(value) for item, value in category.items()})


def _sessions_of(path: Path, content: Any) -> list[list[int]]:
    """Check that the content is a list of lists of whole numbers."""
    if not isinstance(content, list):
        raise UserError(f"{path} must hold a list of sessions, it holds a {type(content).__name__}")
    for number, session in enumerate(content, start=1):
        if not isinstance(session, list | tuple) or not session:
            raise UserError(f"{path}, session {number}: must be a list of items, not empty")
        if not all(type(item) is int for item in session):
            raise UserError(f"{path}, session {number}: every item must be a whole number")
    return content


def _rows_of(path: Path, content: Any) -> tuple[list[list[int]], list[int]]:
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise UserError(f"{path} must hold a pair: list of prefixes, list of targets")
    prefixes, [targets] = _sessions_of(path, content[0]), _sessions_of(path, [content[1]])
    if len(prefixes) != len(targets):
        raise UserError(f"{path} holds {len(prefixes)} prefixes but {len(targets)} targets")
    return prefixes, targets


def _category_map(path: Path, content: Any) -> dict[int, int]:
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a dict item -> category, not a {type(content).__name__}")
    for item, category in content.items():
        if type(item) is not int or type(category) is not int:
            raise UserError(f"{path}, item {item!r}: item and category must be whole numbers")
    return content


# ----------------------------------------------------------------------------------- text


def read_texts(folder: Path, max_bytes: int = MAX_BYTES) -> Release:
    """Read one session a line, ids separated by spaces, and ``item category`` a line."""
    train_path, test_path, category_path = (folder / name for name in TEXTS)
    categories: dict[str, str] = {}
    for number, line in enumerate(_words(category_path, max_bytes), start=1):
        if len(line) != 2 or line[0] in categories:
            raise UserError(
                f"{category_path}, line {number}: must be `item category`, once an item"
            )
        categories[line[0]] = line[1]
    return _release(_words(train_path, max_bytes), _words(test_path, max_bytes), categories)


def require_words(release: Release) -> None:
    """Refuse a release that plain text would give back as another one.

    Raises:
        UserError: an id holds white space, which is between ids in text, or is no text by itself.
    """
    ids = (release.item_tokens.tolist(), *zip(*release.category_of_item.items(), strict=True))
    for token in filter(NOT_A_WORD.search, chain.from_iterable(ids)):
        raise UserError(
            f"id {token!r} is not one word, as ids are in text: save the sessions with --to-npz "
            "instead of --to-text"
        )


def write_texts(folder: Path, release: Release) -> None:
    """Write a release as plain text."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = (
        map(" ".join, _token_lists(release.train, release.item_tokens)),
        map(" ".join, _token_lists(release.test, release.item_tokens)),
        map(" ".join, release.category_of_item.items()),
    )
    for name, lines in zip(TEXTS, contents, strict=True):
        with replaced_file(folder / name) as fresh, fresh.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def _words(path: Path, max_bytes: int) -> list[list[str]]:
    try:
        if path.stat().st_size > max_bytes:
            raise UserError(f"{path} is larger than {max_bytes >> 20} MiB: raise --max-mib")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    lines = [line.split() for line in text.removesuffix("\n").split("\n")] if text else []
    if [] in lines:
        raise UserError(f"{path}, line {lines.index([]) + 1}: empty line; one session a line")
    return lines


def _token_lists(sessions: Sessions, item_tokens: StringArray) -> list[list[str]]:
    tokens = item_tokens[sessions.items].tolist()
    bounds = sessions.offsets.tolist()
    return [tokens[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


# ----------------------------------------------------------------------------------- archive


def read_archive(folder: Path, max_bytes: int = MAX_BYTES) -> Release:
    """Read ``sessions.npz``: flat ids, offsets, and the category map as two arrays."""
    path = folder / ARCHIVE
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > max_bytes:
            raise UserError(f"{path} unpacks to over {max_bytes >> 20} MiB: raise --max-mib")
        with np.load(path, allow_pickle=False) as arrays:
            train, test = (
                _cut(arrays[f"{split}_items"], arrays[f"{split}_offsets"])
                for split in ("train", "test")
            )
            category_of_item = _pairs(arrays["category_items"], arrays["categories"])
    except (*DAMAGED, MemoryError) as error:
        raise UserError(f"{path} is not a whole archive of sessions ({error})") from error
    return _release(train, test, category_of_item)


def write_archive(folder: Path, release: Release) -> None:
    """Write a release as one NumPy archive without pickles."""
    with replaced_file(folder / ARCHIVE) as fresh, fresh.open("wb") as file:
        np.savez(
            file,
            train_items=_compact(release.item_tokens[release.train.items].tolist()),
            train_offsets=release.train.offsets,
            test_items=_compact(release.item_tokens[release.test.items].tolist()),
            test_offsets=release.test.offsets,
            category_items=_compact(list(release.category_of_item)),
            categories=_compact(list(release.category_of_item.values())),
        )


def _compact(tokens: list[str]) -> NDArray[Any]:
    """Whole numbers as integers where every token is one, else fixed-width text."""
    numbers = np.array([int(t) if t.isdecimal() and len(t) < 18 else -1 for t in tokens], np.int64)
    return numbers if numbers.astype(str).tolist() == tokens else np.array(tokens, dtype=np.str_)


def _texts(array: NDArray[Any]) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError("ids must be whole numbers or text in one dimension")
    texts: list[str] = array.astype(np.str_).tolist()
    return texts


def _pairs(items: NDArray[Any], categories: NDArray[Any]) -> dict[str, str]:
    return dict(zip(_texts(items), _texts(categories), strict=True))


def _cut(items: NDArray[Any], offsets: NDArray[Any]) -> list[list[str]]:
    tokens, bounds = _texts(items), [int(bound) for bound in offsets.tolist()]
    if bounds[:1] != [0] or bounds[-1] != len(tokens) or bounds != sorted(set(bounds)):
        raise ValueError("offsets must rise from 0 to the number of clicks")
    return [tokens[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


# ----------------------------------------------------------------------------------- shared


def _release(
    train: Sequence[Sequence[int | str]],
    test: Sequence[Sequence[int | str]],
    category_of_item: dict[str, str],
) -> Release:
    """Number the items of both splits in order of first appearance."""
    codes: dict[int | str, int] = {}
    splits = [
        Sessions.from_lengths(
            np.array(
                [codes.setdefault(item, len(codes)) for session in split for item in session],
                dtype=np.int64,
            ),
            np.array([len(session) for session in split], dtype=np.int64),
        )
        for split in (train, test)
    ]
    item_tokens = np.array([str(item) for item in codes], dtype=object)
    return Release(splits[0], splits[1], item_tokens, category_of_item)
