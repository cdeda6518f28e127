"""What each test row is: its session, its prefix, its target. Kept beside the records."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.array_file import opened_arrays
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.data.sessions import IntArray
from recbole_a2d.errors import UserError, reason
from recbole_a2d.safe_write import replaced_file

logger = logging.getLogger("recbole_a2d")


@dataclass(frozen=True, eq=False)
class RowFacts:
    """Facts of the test rows, in the order of the ranks; each ``[rows]``.

    Attributes:
        session: number of the row's session.
        prefix_length: clicks before the target, none cut.
        target_clicks: clicks on the target in all training sessions (valid among them).
        repeat: 1 where the target stands in the prefix already, else 0.
    """

    session: IntArray
    prefix_length: IntArray
    target_clicks: IntArray
    repeat: IntArray

    def __len__(self) -> int:
        return len(self.session)


@cache
def row_facts(results: Path, dataset: str, fingerprint: str, data_path: Path) -> RowFacts | None:
    """Facts of a data set's test rows; None where neither they nor the data set is here.

    Kept in ``RESULTS/rows/DATASET-FINGERPRINT.npz`` once made, so that tables and pages can be
    made again where the clicks are not; a warning tells where they cannot be.

    Args:
        results: results folder.
        dataset, fingerprint: as in the records; other data of that name is not taken.
        data_path: folder of the data sets.

    Raises:
        UserError: the kept file is damaged.
    """
    path = results / "rows" / f"{dataset}-{fingerprint}.npz"
    if path.exists():
        return _read(path)
    data = _data(dataset, fingerprint, data_path)
    if data is None:
        return None
    facts = facts_of(data)
    try:
        _keep(path, facts)
    except OSError as error:  # who only reads results may have no right to add to them
        logger.warning("%s: not kept (%s)", path, reason(error))
    return facts


def facts_of(data: ExperimentData) -> RowFacts:
    """Facts of the test rows of a data set."""
    dataset = data.final
    rows = dataset.evaluation_rows
    counts = dataset.train.item_counts(dataset.n_items)  # 0 for 0, an unseen target
    first = rows.sessions.offsets[:-1][rows.session]
    return RowFacts(
        session=rows.session,
        prefix_length=rows.end - first,
        target_clicks=counts[rows.targets],
        repeat=_repeats(data.tables.test.items, first, rows.end),
    )


def _repeats(codes: IntArray, first: IntArray, end: IntArray) -> IntArray:
    """1 where ``codes[end]`` stands in ``codes[first:end]``; unseen items have codes too."""
    order = np.argsort(codes, kind="stable")
    previous = np.full(len(codes), -1)
    same = codes[order][1:] == codes[order][:-1]
    previous[order[1:][same]] = order[:-1][same]
    repeated: IntArray = (previous[end] >= first).astype(np.int64)
    return repeated


def _data(dataset: str, fingerprint: str, data_path: Path) -> ExperimentData | None:
    settings = {
        "dataset": dataset,
        "data_path": str(data_path / dataset),
        "train_fraction": 1.0,
        "MAX_ITEM_LIST_LENGTH": 50,
    }
    try:
        data = ExperimentData(read_atomic(dataset_folder(settings)), settings)
    except UserError as error:
        logger.warning("%s: %s", dataset, error)
        return None
    if data.fingerprint() != fingerprint:
        logger.warning("%s: the data set here is not the one of records %s", dataset, fingerprint)
        return None
    return data


def _keep(path: Path, facts: RowFacts) -> None:
    columns = {field.name: getattr(facts, field.name).astype("i4") for field in fields(facts)}
    with replaced_file(path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, **columns)


def _read(path: Path) -> RowFacts:
    with opened_arrays(path, "delete it and run again") as content:
        columns = {one.name: _whole(one.name, content[one.name]) for one in fields(RowFacts)}
        if len({column.shape for column in columns.values()}) > 1:
            raise ValueError("columns of unequal length")
    return RowFacts(**columns)


def _whole(name: str, column: NDArray[Any]) -> IntArray:
    """A column as it was kept, seen to be one."""
    if column.ndim != 1 or not np.issubdtype(column.dtype, np.integer):
        raise ValueError(f"{name} is no column of whole numbers")
    if (column < (name == "prefix_length")).any():
        raise ValueError(f"{name} has a number below those there are")
    return column.astype(np.int64)
