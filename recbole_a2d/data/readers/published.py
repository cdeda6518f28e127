"""Reader ``published``: the session files that papers of this field release."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from recbole_a2d.data.preprocess import build_log
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.release import (
    Release,
    read_release,
    require_words,
    write_archive,
    write_texts,
)
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.data.tables import Clicks, ConvertedLog
from recbole_a2d.errors import UserError

# Known by their training and test rows: what a reader of results on them has to be told.
REMARKS: dict[tuple[int, int], tuple[str, ...]] = {
    (351_268, 25_898): (
        "Tmall: the paper's 40,728 items count the pad; there are 40,727.",
        "Tmall: training and test are separated by 100 units of the log's time column, "
        "not by a week.",
    ),
    (369_859, 55_898): (
        "Yoochoose 1/64: the category map has 60 categories, 35 of them on training items; the "
        "A2D-MTL paper states 341, so its map was another one.",
        "Yoochoose 1/64: the paper's 16,766 items are a number copied from older papers; the "
        "training sessions hold 17,376.",
        "Yoochoose 1/64: the test sessions were not filtered by the items of the 1/64 training "
        "part; unseen targets stay as rows and count as misses.",
    ),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument(
        "--max-mib", type=int, default=1024, help="refuse larger files (default: 1024 MiB)"
    )
    parser.add_argument(
        "--to-text", type=Path, metavar="FOLDER", help="also save the sessions as plain text"
    )
    parser.add_argument(
        "--to-npz", type=Path, metavar="FOLDER", help="also save the sessions as sessions.npz"
    )


def read(args: Namespace) -> ConvertedLog:
    """Read a folder of published files; what is saved beside it comes after the data set.

    Raises:
        UserError: files are missing, broken, or hold anything but plain data, or cannot be saved
            as is asked for.
    """
    for option, folder in (("--to-text", args.to_text), ("--to-npz", args.to_npz)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UserError(f"{option} {folder} is no folder: choose another place to write to")
    release = read_release(args.raw, args.max_mib << 20)
    log = build_log(
        name=args.name,
        source=READER.name,
        training=_numbered(release.train, 1),
        test=_numbered(release.test, 1 + len(release.train)),
        item_tokens=release.item_tokens,
        category_of_item=release.category_of_item,
        valid_fraction=args.valid_fraction,
        notes=_notes(release),
    )
    return replace(log, afterwards=_twins(release, args))


def _twins(release: Release, args: Namespace) -> tuple[Callable[[], None], ...]:
    """What writes the release in the other forms that are asked for."""
    if args.to_text is not None:
        require_words(release)
    forms = ((args.to_text, write_texts), (args.to_npz, write_archive))
    return tuple(partial(write, folder, release) for folder, write in forms if folder is not None)


def _numbered(sessions: Sessions, first: int) -> Clicks:
    """Name the sessions by running number, which is also their time: the files hold none."""
    numbers = np.arange(first, first + len(sessions))
    tokens = np.array([str(number) for number in numbers], dtype=object)
    return Clicks(sessions, tokens, numbers.repeat(sessions.lengths).astype(np.float64))


def _notes(release: Release) -> tuple[str, ...]:
    general = "The source has no times: timestamp is the running number of the session."
    return (general, *REMARKS.get((release.train.rows, release.test.rows), ()))


READER = Reader(
    name="published",
    summary="session files released with papers (SR-GNN, GCE-GNN, CM-HGNN ...), with categories",
    add_arguments=add_arguments,
    read=read,
    raw_help="folder of the published files",
    paths=("to_text", "to_npz"),
)
