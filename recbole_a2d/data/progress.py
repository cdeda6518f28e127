"""Progress bars of the conversion, on a terminal alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

Step = TypeVar("Step")
DELAY = 1.0  # seconds before a bar appears
INTERVAL = 0.1  # seconds between two pictures of it


def progress(steps: Iterable[Step], title: str, total: int | None = None) -> Iterable[Step]:
    """Show a bar on a terminal's stderr once the steps take more than a second."""
    bar: Iterable[Step] = _bar(iterable=steps, desc=title, total=total)
    return bar


def row_counter(title: str) -> tqdm:
    """A bar that counts rows of a file, shown like those of ``progress``."""
    return _bar(desc=title, unit=" rows", unit_scale=True)


def _bar(**options: Any) -> tqdm:
    return tqdm(
        delay=DELAY,
        mininterval=INTERVAL,
        leave=False,
        disable=None,  # where stderr is no terminal
        file=sys.stderr,
        **options,
    )
