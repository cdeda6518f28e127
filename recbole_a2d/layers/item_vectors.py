"""An item table that one step both looks rows up in and scores all items with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class ItemVectors:
    """Looks rows up so that their gradient joins the one of the scores in place.

    Autograd would make a table of zeros for every look-up, and add the tables up: three passes
    over all items to carry the gradient of a few thousand rows. Here a look-up hands the table
    on, and its gradient is added to whatever comes back from the table's later use.

    Args:
        table: ``[N + 1, D]``.
        sparse: make gradients of the rows looked up alone, for a table that is not scored with.
        pad: a row that look-ups leave as it is; None: there is no such row.

    Attributes:
        table: what the scores are to be computed with, after all look-ups. It must have one
            use, whose gradient is an array of its own.
    """

    def __init__(self, table: Tensor, *, sparse: bool = False, pad: int | None = None) -> None:
        self.table = table
        self.sparse = sparse
        self.pad = pad

    def rows(self, index: Tensor) -> Tensor:
        """Rows at ``index [...]`` -> ``[..., D]``."""
        if self.sparse:
            return F.embedding(index, self.table, sparse=True)
        vectors, self.table = _LookUp.apply(self.table, index.reshape(-1), self.pad)
        return vectors.view(*index.shape, -1)


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, pad: int | None) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.rows, ctx.pad = len(table), pad
        ctx.save_for_backward(index)
        return table.index_select(0, index), table.view_as(table)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:
        of_rows, of_table = grads
        (index,) = ctx.saved_tensors
        if of_rows is None:
            return of_table, None, None
        if of_table is None:
            of_table = of_rows.new_zeros(ctx.rows, of_rows.shape[1])
        of_rows = of_rows.to(of_table.dtype)
        if ctx.pad is not None:
            of_rows = of_rows.masked_fill((index == ctx.pad).unsqueeze(1), 0)
        return of_table.index_add_(0, index, of_rows), None, None
