"""Freed memory is kept for the next step."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from recbole_a2d.memory import prepare_process


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_second_large_array_costs_no_page_faults() -> None:
    assert prepare_process()
    torch.zeros(20_000_000).sum()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(20_000_000).sum()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 2_000
