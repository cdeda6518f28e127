"""Settings of the whole process that numerical work is faster with.

*Freed memory is kept.* A training step makes and frees arrays of tens of megabytes. The C library's
default maps each anew, and the system clears every page of it: 32,000 page faults a step, a third
of its time (docs/performance.md). There is no such cost where the C library is not glibc or on a
GPU. But arrays of many sizes, as a model of edges and runs of clicks makes them, leave holes that
the next ones do not fit into: what is kept is given back when the process has grown by 2 GiB.

*Numbers below 1e-38 are zero.* L2 penalties shrink weights that nothing holds up by a constant
factor a step, until they are denormal. A processor computes with those in microcode: a product
of 2,560 x 100 with 100 x 100, 8 % of them denormal, takes 53 ms instead of 1
(``benchmarks.parts``).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from functools import cache
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGEST = 1 << 30
"""Arrays above this size are rare enough to be mapped and unmapped."""
_MOST_KEPT = 2 << 30
"""Bytes that a process may grow by before what it keeps is given back."""
_STATM = Path("/proc/self/statm")
"""Where Linux says how many pages the process has, and how many of them are in memory."""


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


class FreedMemory:
    """Gives freed memory back to the system whenever too much of it has piled up.

    What is in use and what is merely kept look alike from outside, so that it goes by the growth
    since it last gave back.

    Args:
        most: bytes that the process may grow by.
    """

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self.most = most if keep_freed_memory() and _STATM.exists() else None
        self.before: int | None = None

    def limit(self) -> bool:
        """Look once, which costs microseconds; returns whether memory was given back."""
        if self.most is None:
            return False
        resident = _resident()
        self.before = resident if self.before is None else self.before
        if resident - self.before <= self.most:
            return False
        ctypes.CDLL(None).malloc_trim(0)
        self.before = _resident()
        return True


def _resident() -> int:
    """Bytes of memory that the process holds."""
    return int(_STATM.read_text().split()[1]) * mmap.PAGESIZE
