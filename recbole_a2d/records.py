"""Result records: one JSON a run, the ranks of its test rows beside it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recbole_a2d.array_file import opened_arrays
from recbole_a2d.errors import UserError, reason
from recbole_a2d.precision import precision_name
from recbole_a2d.record_check import check_content
from recbole_a2d.safe_write import replaced_file

PACKAGES = ("torch", "recbole", "numpy", "pandas", "scipy", "entmax")


@dataclass
class Record:
    """All there is to say about one run; ``docs/records.md`` explains the fields."""

    run: str
    model: str
    variant: str
    dataset: str
    preset: str
    protocol: str
    seed: int
    epochs: int
    seconds: float
    train_rows: int
    test_rows: int
    items: int
    categories: int
    test: dict[str, float]
    valid: dict[str, float]
    command: str
    config: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    data_fingerprint: str
    commit: str
    missed_rows: dict[str, int] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    diagnostics: dict[str, float] = field(default_factory=dict)
    test_selected: dict[str, Any] = field(default_factory=dict)

    @property
    def commits(self) -> set[str]:
        """Commits that trained its epochs and tested it."""
        trained = {epoch.get("commit", self.commit) for epoch in self.history}
        return {commit or "unknown" for commit in trained | {self.commit}}


def run_name(model: str, dataset: str, variant: str, settings: Mapping[str, Any]) -> str:
    """Name of a run: what it is, and eight digits that change with any setting."""
    content = json.dumps([model, dataset, settings], sort_keys=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    parts = [dataset, model.replace("recbole.", "recbole-")]
    parts += [variant] if variant != "full" else []
    return "-".join([*parts, digest])


def record_path(folder: Path, run: str) -> Path:
    """Where the record of a run is or will be, below a results folder."""
    return folder / "records" / f"{run}.json"


def _ranks_path(folder: Path, run: str) -> Path:
    return folder / "ranks" / f"{run}.npz"


def write_record(folder: Path, record: Record, ranks: NDArray[np.int64]) -> Path:
    """Write ``records/RUN.json`` and ``ranks/RUN.npz`` below the results folder."""
    path, ranks_path = record_path(folder, record.run), _ranks_path(folder, record.run)
    with replaced_file(ranks_path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, ranks=ranks.astype("i4"))
    with replaced_file(path) as beside:
        text = json.dumps(asdict(record), indent=1, default=str) + "\n"
        beside.write_text(text, encoding="utf-8")
    return path


def read_record(path: Path) -> Record:
    """Read a record; unknown fields of a newer version are an error.

    Raises:
        UserError: the file is not a record, or was changed by hand.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        check_content(content, path.stem, {one.name: one for one in fields(Record)})
        return Record(**content)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not a result record of this version ({reason(error)}); "
            "restore the file, or delete it and run again"
        ) from error


def some_records(folder: Path) -> list[Record]:
    """All records below a results folder.

    Raises:
        UserError: there are none, or one cannot be read.
    """
    found = list(read_records(folder))
    if not found:
        raise UserError(f"no records in {folder}/records; run a model first")
    return found


def read_records(folder: Path, names: str = "*") -> Iterator[Record]:
    """The records below a results folder whose names fit a pattern, by name."""
    for path in sorted((folder / "records").glob(f"{names}.json")):
        yield read_record(path)


def read_ranks(folder: Path, run: str) -> NDArray[np.int64]:
    """Rank of each test row's target of a run, in row order; 0 is a miss by definition.

    Raises:
        UserError: they cannot be read, or are no ranks.
    """
    with opened_arrays(_ranks_path(folder, run), "with --fresh run the model again") as content:
        ranks: NDArray[np.int64] = content["ranks"].astype(np.int64)
        if ranks.ndim != 1 or (ranks < 0).any():
            raise ValueError("these are no ranks")
    return ranks


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in PACKAGES
    }


def machine(threads: int, precision: torch.dtype | None = None) -> dict[str, Any]:
    """Processor, cores and threads, for the times in a record; what training multiplied in."""
    facts = {"processor": platform.machine(), "cores": os.cpu_count(), "threads": threads}
    trained = {} if precision is None else {"precision": precision_name(precision)}
    return facts | trained


def command_line(argv: list[str], launcher: tuple[str, ...] = ("python",)) -> str:
    """The command that made a record, the script by its name alone."""
    return shlex.join([*launcher, Path(argv[0]).name, *argv[1:]])


@cache
def source_commit() -> str:
    """Commit of the checkout the package runs from, ``+`` where it was changed; else ''.

    As it stands when first asked: what a process has loaded does not change with the files.
    """
    here = Path(__file__).resolve().parent
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        changed = _git(here, "status", "--porcelain", "--", str(here))
        # A package installed below another project's checkout is none of its files.
        ours = _git(here, "ls-files", "--", Path(__file__).name)
    except (OSError, subprocess.SubprocessError):
        return ""
    if not ours:
        return ""
    return commit + ("+" if changed else "")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout.strip()
