"""The item table as a softmax over all items sees it: without the pad, some items at a time.

For cosine scores either the vectors or the products with them are divided by the vectors'
lengths, whichever are fewer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_a2d.layers.unit_rows import unit_vectors, unit_vectors_gradient, zeros_to_infinity


class Candidates:
    """Vectors that are compared as they are.

    Args:
        vectors: ``[N, D]``.
        dtype: to multiply in.
    """

    def __init__(self, vectors: Tensor, dtype: torch.dtype) -> None:
        self.vectors, self.dtype = vectors, dtype

    def first_part(self, items: slice) -> Tensor:
        """The same as :meth:`part`, on the first pass over the table."""
        return self.part(items)

    def part(self, items: slice) -> Tensor:
        """Vectors as they are multiplied with, ``[C, D]``."""
        return self.vectors[items].to(self.dtype)

    def divided(self, products: Tensor, items: slice) -> Tensor:
        """What the products with :meth:`part` are in truth, in place; ``[B, C]``."""
        return products

    def longest(self, items: slice) -> float:
        """Length of the longest of some vectors as they are compared."""
        return float(torch.linalg.vector_norm(self.vectors[items], dim=1).max())

    def found_zeros(self) -> bool:
        """After the first pass: whether it divided by a length of 0 and has to be repeated."""
        return False

    def turn_gradient_(self, grad: Tensor, items: slice) -> None:
        """Make the table's gradient of ``divided(weights).T @ sessions``, in place; ``[C, D]``."""

    def rows(self, index: Tensor) -> Tensor:
        """Single vectors as they are compared, float32; ``[R]`` -> ``[R, D]``."""
        return self.vectors[index].to(self.dtype).float()

    def rows_gradient(self, grad: Tensor, index: Tensor) -> Tensor:
        """Gradient of the table's rows from that of :meth:`rows`; ``[R, D]``, ``[R]``."""
        return grad


class UnitCandidates(Candidates):
    """Vectors divided by their lengths.

    Args:
        vectors: ``[N, D]``, float32.
        dtype: to multiply in.

    Attributes:
        lengths: of the vectors, ``[N, 1]``, known after the first pass; infinite for zeros.
        has_zeros: whether there are any, known then too.
    """

    def __init__(self, vectors: Tensor, dtype: torch.dtype) -> None:
        super().__init__(vectors, dtype)
        self.lengths = vectors.new_empty(len(vectors), 1)
        self.has_zeros = False

    def first_part(self, items: slice) -> Tensor:
        """The units, whose lengths are found on the way, ``[C, D]``."""
        units, self.lengths[items] = unit_vectors(self.vectors[items])
        return units.to(self.dtype)

    def part(self, items: slice) -> Tensor:
        """The units, ``[C, D]``."""
        return (self.vectors[items] / self.lengths[items]).to(self.dtype)

    def longest(self, items: slice) -> float:
        """Units are of length 1."""
        return 1.0

    def found_zeros(self) -> bool:
        """Whether there are zero vectors; from now on their units are zero."""
        self.has_zeros = zeros_to_infinity(self.lengths)
        return self.has_zeros

    def turn_gradient_(self, grad: Tensor, items: slice) -> None:
        """From the gradient of the units, ``[C, D]``."""
        grad.copy_(unit_vectors_gradient(grad, self.vectors[items], self.lengths[items]))

    def rows(self, index: Tensor) -> Tensor:
        """Single units, ``[R, D]``."""
        return (self.vectors[index] / self.lengths[index]).to(self.dtype).float()

    def rows_gradient(self, grad: Tensor, index: Tensor) -> Tensor:
        """From the gradient of single units, ``[R, D]``."""
        return unit_vectors_gradient(grad, self.vectors[index], self.lengths[index])


class UnitProducts(UnitCandidates):
    """The same, with the products divided instead of the vectors."""

    def first_part(self, items: slice) -> Tensor:
        """The vectors as they are, whose lengths are found on the way, ``[C, D]``."""
        torch.linalg.vector_norm(self.vectors[items], dim=1, keepdim=True, out=self.lengths[items])
        return self.part(items)

    def part(self, items: slice) -> Tensor:
        """The vectors as they are, ``[C, D]``."""
        return self.vectors[items].to(self.dtype)

    def divided(self, products: Tensor, items: slice) -> Tensor:
        """Divided by the lengths, in place; ``[B, C]``."""
        return products.div_(self.lengths[items].T)

    def turn_gradient_(self, grad: Tensor, items: slice) -> None:
        """From the gradient of the units, divided by their lengths already, ``[C, D]``."""
        lengths = self.lengths[items]
        grad.copy_(unit_vectors_gradient(grad, self.vectors[items], lengths, divided=True))
        if self.has_zeros:
            grad.masked_fill_(lengths.isinf(), 0)


def unit_candidates(sessions: int, dim: int) -> type[UnitCandidates]:
    """What is divided by lengths where so many sessions meet vectors of that size: the fewer."""
    return UnitProducts if sessions < dim else UnitCandidates
