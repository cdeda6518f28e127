"""Which precision to train in."""

from __future__ import annotations

from contextlib import AbstractContextManager

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


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[None]:
    """Autocast to the dtype; nothing to do for float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # torch offers no public question for this; an absent one means "no".
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())
