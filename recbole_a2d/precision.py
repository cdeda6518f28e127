"""Which precision to train in.

Ranking and recommending know none of it: their scores are made in float32 on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from recbole_a2d.errors import UserError

CHOICES = ("auto", "float32", "bfloat16")


def choose_precision(wish: str, device: torch.device) -> torch.dtype:
    """The working precision: ``auto`` is bfloat16 where the processor computes in it.

    Raises:
        UserError: an unknown wish.
    """
    if wish not in CHOICES:
        raise UserError(f"precision '{wish}' is unknown; choose one of: {', '.join(CHOICES)}")
    if wish == "auto":
        return torch.bfloat16 if _has_bfloat16(device) else torch.float32
    return torch.bfloat16 if wish == "bfloat16" else torch.float32


@contextmanager
def products_in(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """On a processor, what a training step multiplies, its backward pass included.

    With bfloat16 every array stays in float32; oneDNN rounds the factors of a matrix product
    on their way into the processor's units and adds up in float32. Autocast would write a rounded
    copy of every small array first, which costs such a model more than its products gain. A
    processor without these units computes in float32 all the same.
    """
    before = torch.get_float32_matmul_precision()
    if dtype == torch.bfloat16 and device.type == "cpu":
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[None]:
    """The forward pass on other devices; nothing to do for float32 or on a processor."""
    enabled = dtype == torch.bfloat16 and device.type != "cpu"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # torch offers no public question for this; an absent one means "no".
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())
