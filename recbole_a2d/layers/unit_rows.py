"""Rows divided by their lengths, for cosine scores of a large table.

Autograd would go over a table of all items a dozen times; this goes over it once forward and
once backward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def unit_rows(table: Tensor) -> Tensor:
    """The same as ``torch.nn.functional.normalize(table, dim=1)``; first-order gradients only.

    Shapes:
        table ``[N, D]`` -> ``[N, D]``; a zero row stays zero.
    """
    units: Tensor = _UnitRows.apply(table)
    return units


def unit_vectors(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors divided by their lengths, and the lengths; a zero vector becomes NaN.

    By the kernel of torch's weight normalisation, which reads the vectors once.

    Shapes:
        ``[N, D]`` -> ``[N, D]``, ``[N, 1]``; float32.
    """
    if not len(vectors):
        return vectors.clone(), vectors.new_empty(0, 1)
    # The kernel takes any memory for rows one after the other.
    whole = vectors.contiguous()
    units, lengths = torch.ops.aten._weight_norm_interface(whole, _ones(whole))
    return units, lengths


def zeros_to_infinity(lengths: Tensor) -> bool:
    """Make a length of 0 infinite, so that a zero vector divided by it stays zero.

    Returns:
        Whether there was any.
    """
    zero = lengths == 0
    found = bool(zero.any())
    if found:
        lengths.masked_fill_(zero, torch.inf)
    return found


def unit_vectors_gradient(
    grad: Tensor, vectors: Tensor, lengths: Tensor, *, divided: bool = False
) -> Tensor:
    """Gradient of vectors, given that of their units: ``(g - (g . u) u) / length``.

    What points along a vector would change its length alone, which is given.

    Args:
        grad, vectors: ``[N, D]``.
        lengths: of the vectors, ``[N, 1]``; infinite for zero vectors, whose gradient is zero.
        divided: g has been divided by the length already.
    """
    of_vectors: Tensor = torch.ops.aten._weight_norm_interface_backward(
        grad.contiguous(),
        vectors.contiguous(),
        lengths if divided else _ones(vectors),
        lengths,
        0,
    )[0]
    return of_vectors


def _ones(vectors: Tensor) -> Tensor:
    return vectors.new_ones(len(vectors), 1)


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor) -> Tensor:
        units, lengths = unit_vectors(table)
        # Those alone: a vector that is NaN itself stays it, so that it is found.
        zero = lengths == 0
        if zeros_to_infinity(lengths):
            units.masked_fill_(zero, 0)
        ctx.save_for_backward(table, lengths)
        return units

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return unit_vectors_gradient(grads[0], *ctx.saved_tensors)
