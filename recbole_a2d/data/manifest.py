"""The manifest ``NAME.json`` of a data set: what is in it and how to know it is whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import NO_CATEGORY, SPLITS, ConvertedLog
from recbole_a2d.errors import UserError

FORMAT_VERSION = 1
HASHED_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Manifest:
    """Facts about a converted data set.

    Attributes:
        format_version: version of the layout of the folder.
        name, source: of the data set, and the reader that made it.
        sessions, clicks, rows: per split; a row is one (prefix, target) pair.
        items: items of the training sessions (train and valid), the rows of ``NAME.item``.
        categories: categories those items belong to.
        items_without_category: how many of those items have none.
        unseen_target_rows: test rows whose target never occurs in the training sessions.
        empty_prefix_rows: test rows of whose prefix no item occurs in the training sessions.
        files: SHA-256 of each file's bytes.
        notes: remarks a user of the data set has to know.
        best: best reachable scores, where the source knows them; else None.
    """

    format_version: int
    name: str
    source: str
    sessions: dict[str, int]
    clicks: dict[str, int]
    rows: dict[str, int]
    items: int
    categories: int
    items_without_category: int
    unseen_target_rows: int
    empty_prefix_rows: int
    files: dict[str, str]
    notes: list[str]
    best: dict[str, Any] | None = None


def describe(log: ConvertedLog, files: dict[str, str]) -> Manifest:
    """Count a converted log."""
    n_items = log.n_training_items
    unseen_targets, empty_prefixes = _unseen_rows(log.test, n_items)
    category = log.category_of_code[:n_items]
    return Manifest(
        format_version=FORMAT_VERSION,
        name=log.name,
        source=log.source,
        sessions={split: len(log.splits[split].sessions) for split in SPLITS},
        clicks={split: len(log.splits[split].sessions.items) for split in SPLITS},
        rows={split: log.splits[split].sessions.rows for split in SPLITS},
        items=n_items,
        categories=len(np.unique(category[category != NO_CATEGORY])),
        items_without_category=int((category == NO_CATEGORY).sum()),
        unseen_target_rows=unseen_targets,
        empty_prefix_rows=empty_prefixes,
        files=files,
        notes=list(log.notes),
        best=log.best,
    )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest as JSON, always with the same bytes."""
    text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest, None where the folder has none.

    Raises:
        UserError: it is broken, or written by a newer version of this project.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not valid JSON: convert the data set again") from None
    _check_version(path, content)
    names = [field.name for field in fields(Manifest)]
    if sorted(content) != sorted(names):
        raise UserError(f"{path} must hold the keys {names}: convert the data set again")
    manifest = Manifest(**content)
    _check_names(path, manifest)
    return manifest


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(HASHED_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare each file of the folder with its hash in the manifest.

    Raises:
        UserError: a file is missing or not the one that was written.
    """
    for name, expected in manifest.files.items():
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing: convert the data set again")
        if file_hash(folder / name) != expected:
            raise UserError(
                f"{folder / name} is truncated or was edited, it differs from its hash in "
                f"{manifest.name}.json: convert the data set again, or delete "
                f"{manifest.name}.json to read the files as they are"
            )


def _check_version(path: Path, content: Any) -> None:
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or version < 1:
        raise UserError(f"{path} names no format_version: convert the data set again")
    if version > FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {version}, this version of recbole_a2d reads up to "
            f"{FORMAT_VERSION}: update recbole_a2d or convert the data set again"
        )


def _check_names(path: Path, manifest: Manifest) -> None:
    """The manifest names files of its own folder alone, whoever wrote it."""
    files = manifest.files
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise UserError(f"{path}: 'files' must map file to hash: convert the data set again")
    for name in files:
        if not name.startswith(f"{path.stem}.") or Path(name).name != name or "\0" in name:
            raise UserError(
                f"{path} names the file {name!r}, which is none of this data set: convert it again"
            )


def _unseen_rows(test: Sessions, n_items: int) -> tuple[int, int]:
    """Test rows with an unseen target, and those with no seen item in the prefix."""
    seen = test.items < n_items
    first_of_session = np.zeros(len(seen), dtype=bool)
    first_of_session[test.offsets[:-1][test.lengths > 0]] = True
    seen_before = np.concatenate([[0], np.cumsum(seen)])
    seen_in_prefix = seen_before[:-1] - seen_before[test.offsets[:-1]].repeat(test.lengths)
    is_target = ~first_of_session
    unseen_targets = int((is_target & ~seen).sum())
    return unseen_targets, int((is_target & (seen_in_prefix == 0)).sum())
