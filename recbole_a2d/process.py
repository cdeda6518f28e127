"""Settings of the whole process that numerical work is faster with.

*Freed memory is kept.* A training step makes and frees arrays of tens of megabytes. The C library's
default maps each anew, and the system clears every page of it: 32,000 page faults a step, a third
of its time (docs/performance.md). There is no such cost where the C library is not glibc or on a
GPU.

*Numbers below 1e-38 are zero.* L2 penalties shrink weights that nothing holds up by a constant
factor a step, until they are denormal. A processor computes with those in microcode: a product
of 2,560 x 100 with 100 x 100, 8 % of them denormal, takes 53 ms instead of 1
(``benchmarks.parts``).
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGEST = 1 << 30
"""Arrays above this size are rare enough to be mapped and unmapped."""


def prepare_process() -> None:
    """Keep freed memory, take denormal numbers for zero.

    The latter holds for the calling thread, Python's own numbers included, and for threads that
    start later: call it before torch computes anything with several threads.
    """
    torch.set_flush_denormal(True)
    keep_freed_memory()


@cache
def keep_freed_memory() -> bool:
    """Tell malloc to keep what is freed; returns whether it took the advice."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    keeps = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST) and libc.mallopt(
        _M_TRIM_THRESHOLD, 2 * _LARGEST - 1
    )
    return bool(keeps)
