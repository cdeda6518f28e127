"""Which sessions a phase of an experiment trains on and which it ranks."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from pathlib import Path
from typing import Any

from recbole_a2d.data.atomic import AtomicTables
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import SPLITS
from recbole_a2d.errors import UserError
from recbole_a2d.resources import embedded_data_folder


class ExperimentData:
    """The data sets of an experiment's phases, each made when it is first asked for.

    ::

        sessions in time order   train ............ | valid | test ....
        select                   trained on         | ranked|
        final                    trained on ................| ranked
        unrefitted               trained on         |       | ranked

    Args:
        tables: the atomic files.
        config: settings ``dataset``, ``train_fraction``, ``MAX_ITEM_LIST_LENGTH``.
    """

    def __init__(self, tables: AtomicTables, config: Any) -> None:
        self.tables = tables
        self.config = config
        self.train = _recent(tables.train, float(config["train_fraction"]))

    @cached_property
    def select(self) -> SessionDataset:
        """To choose the epoch."""
        return self._dataset(self.train, self.tables.valid, "validation")

    @cached_property
    def final(self) -> SessionDataset:
        """To train the model that is tested."""
        return self._dataset(self.train.append(self.tables.valid), self.tables.test, "test")

    @cached_property
    def unrefitted(self) -> SessionDataset:
        """To test the model of the choosing phase as it is."""
        return self._dataset(self.train, self.tables.test, "test")

    def fingerprint(self) -> str:
        """See :func:`fingerprint`."""
        return fingerprint(self.tables)

    def _dataset(self, training: Sessions, held_out: Sessions, split: str) -> SessionDataset:
        name = str(self.config["dataset"])
        if training.rows == 0 or held_out.rows == 0:
            missing = "training" if training.rows == 0 else split
            raise UserError(f"{name}: no {missing} session has two clicks{_remedy(missing)}")
        return SessionDataset.from_codes(
            name,
            training,
            held_out,
            self.tables.item_tokens,
            self.tables.category_of_code,
            self.tables.category_tokens,
            int(self.config["MAX_ITEM_LIST_LENGTH"]),
        )


def _remedy(split: str) -> str:
    if split == "validation":
        return (
            ", and such choose the epoch: convert the log again with a --valid-fraction above 0 "
            "(default: 0.05)"
        )
    return "; every split needs one that has: convert a longer log"


def fingerprint(tables: AtomicTables) -> str:
    """Hash of all clicks, splits and categories; equal data, equal fingerprint.

    Tables without a test file have one of their own.
    """
    digest = hashlib.sha256()
    for sessions in (tables.splits[name].sessions for name in SPLITS if name in tables.splits):
        digest.update(sessions.items.tobytes())
        digest.update(sessions.offsets.tobytes())
    digest.update("\n".join(map(str, tables.item_tokens)).encode())
    digest.update(tables.category_of_code.tobytes())
    return digest.hexdigest()[:16]


def dataset_folder(config: Any) -> Path:
    """Folder of the data set: below ``data_path``, else the embedded one of that name.

    Raises:
        UserError: there is none; the message says how to make it.
    """
    folder = Path(config["data_path"])
    if folder.is_dir():
        return folder
    name = str(config["dataset"])
    embedded = embedded_data_folder() / name
    if embedded.is_dir():
        return embedded
    raise UserError(
        f"no data set '{name}' in {folder.parent}; make it with 'python run_recbole_a2d.py convert "
        f"SOURCE --raw PATH --out {folder}' (convert --help lists the sources, docs/datasets says "
        "where to get them)"
    )


def _recent(sessions: Sessions, fraction: float) -> Sessions:
    if not 0.0 < fraction <= 1.0:
        raise UserError(f"train_fraction is {fraction}; it must lie in (0, 1]")
    kept = math.ceil(len(sessions) * fraction)
    return sessions.slice(len(sessions) - kept, len(sessions))
