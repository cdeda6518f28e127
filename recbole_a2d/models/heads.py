"""How many attention heads a size allows."""

from __future__ import annotations

from typing import Any

from recbole_a2d.errors import UserError
from recbole_a2d.models.full_ranking import whole_number


def dividing_heads(config: Any, key: str, dim: int) -> int:
    """Number of heads under ``key``, which must divide the size of the vectors.

    Raises:
        UserError: where it does not.
    """
    heads = whole_number(config, key, 1)
    if dim % heads:
        raise UserError(f"{key}: {heads} does not divide embedding_size {dim}; change either")
    return heads


def most_heads(limit: int, dim: int) -> int:
    """Largest divisor of the size of the vectors that is at most ``limit``."""
    return max(heads for heads in range(1, min(limit, dim) + 1) if dim % heads == 0)
