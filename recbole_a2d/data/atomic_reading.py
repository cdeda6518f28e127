"""Reading of atomic files; their layout is described in ``atomic``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow

from recbole_a2d.data.columns import read_columns
from recbole_a2d.data.manifest import Manifest, check_files, read_manifest
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.data.tables import (
    CLICK_FIELDS,
    ITEM_FIELDS,
    NO_CATEGORY,
    SPLITS,
    Clicks,
    FloatArray,
    SessionTables,
    StringArray,
)
from recbole_a2d.errors import UserError
from recbole_a2d.safe_write import restore_former


@dataclass(frozen=True, kw_only=True)
class AtomicTables(SessionTables):
    """What a folder of atomic files holds; ``manifest`` is None where there is none."""

    manifest: Manifest | None


def read_atomic(folder: Path) -> AtomicTables:
    """Read a folder of atomic files.

    A folder without ``NAME.json`` is read too, without comparing hashes. Its files may hold more
    columns, its ``.item`` file more items.

    Raises:
        UserError: a file is missing, truncated, edited or malformed, a session's clicks are not
            adjacent or stand in two files, or a newer version wrote the folder.
    """
    try:
        restore_former(folder)
        return _read(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}; check that it can be read"
        ) from error


def _read(folder: Path) -> AtomicTables:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder of atomic files: run `convert` first")
    manifest = read_manifest(folder / f"{folder.name}.json")
    if manifest is not None:
        check_files(folder, manifest)
    paths = [folder / f"{folder.name}.{split}.inter" for split in SPLITS]
    tables = [read_columns(path, CLICK_FIELDS) for path in paths]
    item_tokens, item_codes = _encode([table["item_id:token"] for table in tables])
    sessions = _session_runs(paths, [table["session_id:token"] for table in tables])
    splits = {
        split: Clicks(Sessions.from_lengths(items, lengths), tokens, _numbers(table))
        for split, items, (tokens, lengths), table in zip(
            SPLITS, item_codes, sessions, tables, strict=True
        )
    }
    for split in ("train", "test"):
        if splits[split].sessions.rows == 0:
            raise UserError(
                f"{folder / folder.name}.{split}.inter holds no session of two clicks or more: "
                "there is nothing to learn or to test"
            )
    n_training_items = 1 + max(int(codes.max(initial=-1)) for codes in item_codes[:2])
    category_of_code, category_tokens = _read_categories(
        folder / f"{folder.name}.item", item_tokens, n_training_items
    )
    return AtomicTables(
        splits=splits,
        item_tokens=item_tokens,
        category_of_code=category_of_code,
        category_tokens=category_tokens,
        manifest=manifest,
    )


def _encode(columns: Sequence[pyarrow.ChunkedArray]) -> tuple[StringArray, list[IntArray]]:
    """Number the tokens of several columns in order of first appearance."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    tokens = pyarrow.chunked_array(chunks, type=pyarrow.string()).combine_chunks()
    encoded = tokens.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    return names, np.split(codes, ends)


def _numbers(table: pyarrow.Table) -> FloatArray:
    numbers: FloatArray = table["timestamp:float"].to_numpy().astype(np.float64)
    return numbers


def _session_runs(
    paths: Sequence[Path], columns: Sequence[pyarrow.ChunkedArray]
) -> list[tuple[StringArray, IntArray]]:
    """Token and length of every session of every file."""
    names, codes_of_file = _encode(columns)
    starts = [np.flatnonzero(np.diff(codes, prepend=-1)) for codes in codes_of_file]
    run_codes = [codes[start] for codes, start in zip(codes_of_file, starts, strict=True)]
    if sum(map(len, run_codes)) > len(names):
        raise _split_session(paths, names, run_codes, starts)
    return [
        (names[runs], np.diff(start, append=len(codes)).astype(np.int64))
        for runs, start, codes in zip(run_codes, starts, codes_of_file, strict=True)
    ]


def _split_session(
    paths: Sequence[Path],
    names: StringArray,
    run_codes: Sequence[IntArray],
    starts: Sequence[IntArray],
) -> UserError:
    places = _run_places(paths, run_codes, starts)
    first_place: dict[int, str] = {}
    for code, place in places:
        if code in first_place:
            return UserError(
                f"{place}: session {str(names[code])!r} stands at {first_place[code]} already; "
                "the clicks of a session must be adjacent and in one file: sort the rows by session"
            )
        first_place[code] = place
    raise AssertionError("no session is split")


def _run_places(
    paths: Sequence[Path], run_codes: Sequence[IntArray], starts: Sequence[IntArray]
) -> Iterator[tuple[int, str]]:
    for path, runs, start in zip(paths, run_codes, starts, strict=True):
        for code, row in zip(runs.tolist(), start.tolist(), strict=True):
            yield code, f"{path}, line {row + 2}"


def _read_categories(
    path: Path, item_tokens: StringArray, n_training_items: int
) -> tuple[IntArray, StringArray]:
    table = read_columns(path, ITEM_FIELDS, may_be_empty=["category:token"])
    code_of_token = {
        token: code for code, token in enumerate(item_tokens[:n_training_items].tolist())
    }
    category_of_code = np.full(len(item_tokens), NO_CATEGORY, dtype=np.int64)
    category_codes: dict[str, int] = {}
    seen: set[str] = set()
    rows = zip(table["item_id:token"].to_pylist(), table["category:token"].to_pylist(), strict=True)
    for line, (item, category) in enumerate(rows, start=2):
        if item in seen:
            raise UserError(f"{path}, line {line}: item {item!r} stands here twice; keep one row")
        seen.add(item)
        if category and item in code_of_token:
            code = category_codes.setdefault(category, len(category_codes))
            category_of_code[code_of_token[item]] = code
    return category_of_code, np.array(list(category_codes), dtype=object)
