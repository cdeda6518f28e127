"""Which precision to train in.

Ranking and recommending know none of it: their scores are made in float32 on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch

from recbole_a2d.errors import UserError

CHOICES = ("auto", "float32", "bfloat16")

_of_large_products = ContextVar("precision of large products", default=torch.float32)


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


def precision_name(dtype: torch.dtype) -> str:
    """What records call a precision, one of :data:`CHOICES`."""
    return str(dtype).removeprefix("torch.")


@contextmanager
def training_in(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """What :func:`large_products` of a training step on a processor are taken in, both passes."""
    token = _of_large_products.set(dtype if device.type == "cpu" else torch.float32)
    try:
        yield
    finally:
        _of_large_products.reset(token)


@contextmanager
def large_products() -> Iterator[None]:
    """For products with the vectors of all items, and with matrices of many heads of full size.

    They are most of what a training step computes. The other products are small: oneDNN's
    preparations for bfloat16 cost them more than they gain (docs/performance.md), so that they
    stay in float32.
    """
    with products_in(_of_large_products.get()):
        yield


@contextmanager
def products_in(dtype: torch.dtype) -> Iterator[None]:
    """Matrix products of float32 arrays on a processor.

    With bfloat16 oneDNN rounds the factors on their way into the processor's units and adds up in
    float32. A processor without such units computes in float32 all the same.
    """
    before = torch.get_float32_matmul_precision()
    if dtype == torch.bfloat16:
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
