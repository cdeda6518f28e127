"""Whether a run has ended already, and whether runs and searches are of the data that lie here."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import dataset_folder, fingerprint
from recbole_a2d.errors import UserError, reason
from recbole_a2d.records import Record, read_record, record_path
from recbole_a2d.safe_write import replaced_file

_BEGUN = "begun.json"
"""In a run's folder of checkpoints, or a search's own: what its first epoch was trained on."""


def finished_record(config: Any, run: str) -> Record | None:
    """Record of a run; None where a later training of it (``--fresh``) was cut off and goes on.

    Raises:
        UserError: the record was made from other data than the data set holds now.
    """
    path = record_path(Path(config["results_dir"]), run)
    if not path.exists() or cut_off(Path(config["checkpoint_dir"]) / run):
        return None
    record, here = read_record(path), _fingerprint_here(config)
    if here is not None:
        _refuse_other_data(str(path), record.data_fingerprint, here)
    return record


def cut_off(folder: Path) -> list[Path]:
    """Last states of the phases of a run that wait to go on, in its folder of checkpoints."""
    return sorted(folder.glob("*/last.pt"))


def note_data(folder: Path, found: str, *, begun: bool) -> None:
    """Write down what a run or a search is trained on, before its first epoch.

    Args:
        folder: of the run's checkpoints, or of the search.
        found: fingerprint of the data.
        begun: whether there is something to go on with.

    Raises:
        UserError: that began on other data.
    """
    path = folder / _BEGUN
    if begun and path.exists():
        _refuse_other_data(str(folder), _read(path), found)
        return
    with replaced_file(path) as beside:
        beside.write_text(json.dumps({"data_fingerprint": found}) + "\n", encoding="utf-8")


def _read(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["data_fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({reason(error)}); run with --fresh") from error


def _refuse_other_data(what: str, made_of: str, here: str) -> None:
    if made_of != here:
        raise UserError(
            f"{what}: made from other data than the data set holds now (fingerprint {made_of}, "
            f"now {here}); --fresh trains again in its place, another --results_dir and "
            "--checkpoint_dir keep both"
        )


def _fingerprint_here(config: Any) -> str | None:
    """Fingerprint of the run's data; None where there are none to compare with."""
    try:
        folder = dataset_folder(config)
    except UserError:
        return None
    files = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return _fingerprint(folder, tuple((name, s.st_mtime_ns, s.st_size) for name, s in files))


@lru_cache(maxsize=16)
def _fingerprint(folder: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    """Of a folder whose files have these times and sizes: a grid asks it for every cell."""
    return fingerprint(read_atomic(folder))
