"""Progress bars of the conversion."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Step = TypeVar("Step")


def progress(steps: Iterable[Step], title: str, total: int | None = None) -> Iterable[Step]:
    """Show a bar on a terminal's stderr once the steps take more than a second."""
    return tqdm(steps, desc=title, total=total, delay=1, leave=False, disable=None, file=sys.stderr)


def row_counter(title: str) -> tqdm:
    """A bar that counts rows of a file, shown like those of ``progress``."""
    return tqdm(
        desc=title,
        unit=" rows",
        unit_scale=True,
        delay=1,
        leave=False,
        disable=None,
        file=sys.stderr,
    )
