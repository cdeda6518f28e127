"""Freed memory is kept for the next step, denormal numbers are zero."""

from __future__ import annotations

import mmap
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recbole_a2d.process import FreedMemory, keep_freed_memory, prepare_process


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_arrays_made_again_and_again_cost_few_page_faults() -> None:
    assert keep_freed_memory()
    numbers, times = 5_000_000, 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(numbers)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    # Mapped anew each time, every page of every array would be a fault.
    assert faults < 0.5 * times * 4 * numbers / mmap.PAGESIZE


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_more_freed_memory_than_allowed_is_given_back() -> None:
    memory, megabyte = FreedMemory(most=100 << 20), 1 << 18
    assert not memory.limit()
    # a small array after each large one keeps the freed ones from the heap's end
    arrays = [torch.ones(size) for _ in range(100) for size in (2 * megabyte, 1000)]
    del arrays[::2]
    with_freed = _pages_in_memory()
    assert memory.limit()
    assert with_freed - _pages_in_memory() > 150 * (1 << 20) / mmap.PAGESIZE
    assert not memory.limit()
    assert all(bool((array == 1).all()) for array in arrays)


def _pages_in_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def tiny_product() -> torch.Tensor:
    return torch.full((4_000_000,), 1e-30) * 1e-10


needs_flushing = pytest.mark.skipif(
    not torch.set_flush_denormal(False),
    reason="this processor cannot take denormal numbers for zero",
)


@needs_flushing
def test_denormal_numbers_are_zero_in_every_thread() -> None:
    program = """
import torch
from recbole_a2d.process import prepare_process
from tests.test_process import tiny_product
torch.set_num_threads(2)
prepare_process()
assert not tiny_product().any()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])


@needs_flushing
def test_without_it_they_are_not() -> None:
    """What the test above would see if nothing were set."""
    torch.set_flush_denormal(False)
    assert tiny_product().all()
    prepare_process()
    assert not tiny_product()[:10].any()
