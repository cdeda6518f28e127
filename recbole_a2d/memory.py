"""Keep freed memory for the next step instead of giving it back to the system.

A training step makes and frees arrays of tens of megabytes. The C library's default maps each
anew, and the system clears every page of it: 32,000 page faults a step, a third of its time
(docs/performance.md). There is no such cost where the C library is not glibc or on a GPU.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGEST = 1 << 30
"""Arrays above this size are rare enough to be mapped and unmapped."""


@cache
def prepare_process() -> bool:
    """Tell malloc to keep what is freed; returns whether it took the advice."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    keeps = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST) and libc.mallopt(
        _M_TRIM_THRESHOLD, 2 * _LARGEST - 1
    )
    return bool(keeps)
