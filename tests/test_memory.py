"""Freed memory is kept for the next step."""

from __future__ import annotations

import mmap
import platform
import resource

import pytest
import torch

from recbole_a2d.memory import prepare_process


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_arrays_made_again_and_again_cost_few_page_faults() -> None:
    assert prepare_process()
    numbers, times = 5_000_000, 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(numbers)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    # Mapped anew each time, every page of every array would be a fault.
    assert faults < 0.5 * times * 4 * numbers / mmap.PAGESIZE
