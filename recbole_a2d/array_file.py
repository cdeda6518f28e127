"""Reading ``.npz`` files that may have been cut short or damaged."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.errors import UserError, reason

DAMAGED = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, IndexError, OverflowError, struct.error),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),  # of a zip's own numbers
)
"""What NumPy, gzip and zipfile raise over bytes that are not as they were written."""


@contextmanager
def opened_arrays(path: Path, advice: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of a file, each read when it is asked for.

    Args:
        path: of the file.
        advice: what to do if it is damaged; ends the message.

    Raises:
        UserError: the file cannot be read, lacks an array that the block asks for, or the block
            finds its content wrong (ValueError).
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            yield content
    except DAMAGED as error:
        raise UserError(f"{path}: cannot be read ({reason(error)}); {advice}") from error
