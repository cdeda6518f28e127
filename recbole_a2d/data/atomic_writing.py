"""Writing of atomic files; their layout is described in ``atomic``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pyarrow
from pyarrow import compute

from recbole_a2d.data.manifest import Manifest, describe, file_hash, write_manifest
from recbole_a2d.data.tables import (
    CLICK_FIELDS,
    ITEM_FIELDS,
    PREFIX_FIELDS,
    SPLITS,
    Clicks,
    ConvertedLog,
    FloatArray,
    SessionTables,
    StringArray,
)
from recbole_a2d.errors import UserError
from recbole_a2d.lock import claimed
from recbole_a2d.safe_write import replaced_file, replaced_folder

CLICKS_PER_WRITE = 1_000_000
PREFIX_LENGTH = 50
# Field and line separators, and what UTF-8 cannot encode.
UNWRITABLE = re.compile("[\t\r\n\0\ud800-\udfff]")
# Stock RecBole reads files with pandas, which takes quotes for quoting and these words for missing
# values, and splits sequences, which hold items, at spaces.
MISREAD = re.compile(
    r'.*".*|#N/A|#N/A N/A|#NA|-?1\.#IND|-?1\.#QNAN|-?NaN|-?nan|<NA>|N/A|n/a|NA|NULL|null|None'
)
MISREAD_ITEM = re.compile(rf".* .*|{MISREAD.pattern}")


def write_atomic(folder: Path, log: ConvertedLog, prefix_length: int | None = None) -> Manifest:
    """Write a log as atomic files named after ``folder``, as a whole or not at all.

    Args:
        folder: of the data set; its last part names the files.
        log: what to write.
        prefix_length: also write the rows of ``write_prefixes``, cut to this many clicks.

    The same log gives the same bytes. A former data set in ``folder`` stays until the new one is
    complete.

    Raises:
        UserError: a token cannot stand in an atomic file, ``folder`` holds other files, or another
            process is writing it.
    """
    _check_tokens(log)
    if prefix_length is not None:
        _check_for_stock_recbole(log, prefix_length)
    with _claimed(folder), replaced_folder(folder, file_names(folder.name)) as fresh:
        for split in SPLITS:
            with (fresh / f"{folder.name}.{split}.inter").open("wb") as file:
                _write_clicks(file, log.splits[split], log.item_tokens)
        with _create(fresh / f"{folder.name}.item") as item_file:
            _write_items(item_file, log)
        files = {path.name: file_hash(path) for path in sorted(fresh.iterdir())}
        manifest = describe(log, files)
        write_manifest(fresh / f"{folder.name}.json", manifest)
        if prefix_length is not None:
            _write_prefix_files(fresh / f"{folder.name}", log, prefix_length)
    return manifest


def file_names(name: str) -> frozenset[str]:
    """Names of the files that the folder of a data set may hold."""
    of_splits = (f"{name}.{kind}{split}.inter" for kind in ("", "prefix_") for split in SPLITS)
    return frozenset((*of_splits, f"{name}.item", f"{name}.json"))


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Have a folder to itself: two that fill it at once would mix up their files."""
    with claimed(folder.with_name(f".{folder.name}.lock"), keep=False) as free:
        if not free:
            raise UserError(
                f"{folder}: another process is writing this data set; wait for it, or choose "
                "another --out"
            )
        yield


def write_prefixes(folder: Path, tables: SessionTables, length: int = PREFIX_LENGTH) -> None:
    """Write every (prefix, target) row, as stock RecBole reads it through ``benchmark_filename``.

    Args:
        folder: the data set's folder of atomic files; the files are added to it.
        tables: what the folder holds.
        length: prefixes are cut to this many last clicks.

    Raises:
        UserError: the length is below 1, or stock RecBole cannot read a token.
    """
    _check_for_stock_recbole(tables, length)
    _write_prefix_files(folder / folder.name, tables, length)


def _check_for_stock_recbole(tables: SessionTables, length: int) -> None:
    if length < 1:
        raise UserError(f"--prefix-length {length} must be at least 1")
    for kind, tokens in _all_tokens(tables):
        of_items = kind == "item"
        for token in filter((MISREAD_ITEM if of_items else MISREAD).fullmatch, tokens):
            raise UserError(
                f"{kind} id {token!r} holds a {'space or ' if of_items else ''}quote or means "
                "'missing' to stock RecBole: rename it in the raw log or leave --prefixes out"
            )


def _write_prefix_files(stem: Path, tables: SessionTables, length: int) -> None:
    """Write ``STEM.prefix_SPLIT.inter`` for every split."""
    for split in SPLITS:
        path = stem.with_name(f"{stem.name}.prefix_{split}.inter")
        with replaced_file(path) as fresh, _create(fresh) as file:
            file.write("\t".join(PREFIX_FIELDS) + "\n")
            file.writelines(_prefix_rows(tables.splits[split], tables.item_tokens, length))


def _create(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


def _check_tokens(log: ConvertedLog) -> None:
    for kind, tokens in _all_tokens(log):
        if _are_writable(tokens):
            continue
        for token in tokens:
            if not token or UNWRITABLE.search(token):
                raise UserError(
                    f"{kind} id {token!r} of {log.name} is empty or holds a tab, a line end or "
                    "another character that no atomic file can hold: rename it in the raw log"
                )


def _are_writable(tokens: list[str]) -> bool:
    """Whether all tokens can be written, found without a loop over millions of them."""
    try:
        texts = pyarrow.array(tokens, pyarrow.string())
    except (UnicodeEncodeError, pyarrow.ArrowException):
        return False
    bad = compute.or_(
        compute.equal(texts, ""), compute.match_substring_regex(texts, "[\t\r\n\\x00]")
    )
    return not compute.any(bad, min_count=0).as_py()


def _all_tokens(tables: SessionTables) -> Iterator[tuple[str, list[str]]]:
    yield "item", tables.item_tokens.tolist()
    yield "category", tables.category_tokens.tolist()
    for split in SPLITS:
        yield "session", tables.splits[split].session_tokens.tolist()


def _write_clicks(file: BinaryIO, clicks: Clicks, item_tokens: StringArray) -> None:
    file.write(("\t".join(CLICK_FIELDS) + "\n").encode())
    items = pyarrow.array(item_tokens, pyarrow.string())
    bounds = clicks.sessions.offsets
    for start in range(0, len(clicks.sessions.items), CLICKS_PER_WRITE):
        stop = min(start + CLICKS_PER_WRITE, len(clicks.sessions.items))
        first, last = np.searchsorted(bounds, [start, stop - 1], side="right") - 1
        lengths = np.diff(bounds[first : last + 2].clip(start, stop))
        names = pyarrow.array(clicks.session_tokens[first : last + 1], pyarrow.string())
        lines = compute.binary_join_element_wise(
            names.take(pyarrow.array(np.repeat(np.arange(len(lengths)), lengths))),
            items.take(pyarrow.array(clicks.sessions.items[start:stop])),
            number_texts(clicks.timestamps[start:stop]),
            "\t",
        )
        ended = compute.binary_join_element_wise(lines, "", "\n")
        file.write(ended.buffers()[2])


def number_texts(numbers: FloatArray) -> pyarrow.StringArray:
    """Shortest texts that read as the same numbers, whole ones without a point."""
    size, is_whole = np.abs(numbers), numbers == np.floor(numbers)
    exponent = (size >= 1e10) | ((size < 1e-3) & (size > 0))  # as Arrow writes fractions
    if (size >= 1e15).any() or (exponent & ~is_whole).any():
        return pyarrow.array([_number_text(number) for number in numbers.tolist()])
    whole = compute.cast(pyarrow.array(numbers.astype(np.int64)), pyarrow.string())
    if is_whole.all():
        return whole
    texts = compute.cast(pyarrow.array(numbers), pyarrow.string())
    return compute.if_else(pyarrow.array(is_whole), whole, texts)


def _number_text(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)


def _write_items(file: TextIO, log: ConvertedLog) -> None:
    file.write("\t".join(ITEM_FIELDS) + "\n")
    names = [*log.category_tokens.tolist(), ""]  # NO_CATEGORY (-1) is the last one: empty
    categories = log.category_of_code[: log.n_training_items].tolist()
    items = log.item_tokens[: log.n_training_items].tolist()
    file.writelines(f"{i}\t{names[c]}\n" for i, c in zip(items, categories, strict=True))


def _prefix_rows(clicks: Clicks, item_tokens: StringArray, length: int) -> Iterator[str]:
    for number, session in enumerate(clicks.session_tokens.tolist()):
        items = item_tokens[clicks.sessions[number]].tolist()
        for end in range(1, len(items)):
            prefix = " ".join(items[max(end - length, 0) : end])
            yield f"{session}\t{prefix}\t{items[end]}\n"
