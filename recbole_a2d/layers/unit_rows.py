"""Rows divided by their lengths, for cosine scores of a large table.

Autograd would go over a table of all items a dozen times; this goes over it twice forward and
twice backward, chunk by chunk, so that the chunk stays in cache between the passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks

_CHUNK_BYTES = 1 << 20


def unit_rows(table: Tensor) -> Tensor:
    """The same as ``torch.nn.functional.normalize(table, dim=1)``; first-order gradients only.

    Shapes:
        table ``[N, D]`` -> ``[N, D]``; a zero row stays zero.
    """
    units: Tensor = _UnitRows.apply(table)
    return units


def inverse_lengths(table: Tensor) -> Tensor:
    """What rows are multiplied with to have length 1; ``[N, D] -> [N, 1]``."""
    return torch.linalg.vector_norm(table, dim=1, keepdim=True).clamp_min_(1e-12).reciprocal_()


def scale_rows(table: Tensor, factors: Tensor, out: Tensor) -> Tensor:
    """``table * factors`` written in the precision of ``out``; ``[N, D], [N, 1] -> [N, D]``."""
    for part in _parts(table):
        torch.mul(table[part], factors[part], out=out[part])
    return out


def unit_rows_gradient(grad: Tensor, table: Tensor, inverse: Tensor, out: Tensor) -> Tensor:
    """Gradient of a table, given that of its unit rows.

    What points along a row would change its length alone, which is given:
    ``(g - (g . u) u) / length``.

    Shapes: grad, table, out ``[N, D]``, inverse ``[N, 1]`` of :func:`inverse_lengths`.
    """
    for part in _parts(table):
        unit = table[part] * inverse[part]
        of_unit = grad[part].to(table.dtype)
        along = torch.linalg.vecdot(unit, of_unit).unsqueeze(1)
        torch.addcmul(of_unit, unit, along, value=-1, out=out[part])
        out[part].mul_(inverse[part])
    return out


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor) -> Tensor:
        inverse = inverse_lengths(table)
        ctx.save_for_backward(table, inverse)
        return scale_rows(table, inverse, torch.empty_like(table))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        table, inverse = ctx.saved_tensors
        return unit_rows_gradient(grads[0], table, inverse, torch.empty_like(table))


def _parts(table: Tensor) -> Iterator[slice]:
    return row_chunks(len(table), table.shape[1] * table.element_size(), _CHUNK_BYTES)
