"""Scores as the best of several vectors plus a base vector, and the softmax loss on them.

Plainly computed, every session has one array of scores for each of its vectors:
``[rows, vectors, items]``, gigabytes. Here sessions with equally many vectors form blocks, a
block's items are worked on a chunk at a time, and only the winner's number is remembered; when
a block's softmax is known, its gradients are made at once, while its scores are still in cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks
from recbole_a2d.layers.full_softmax import working_dtype
from recbole_a2d.layers.made_gradients import hand_out_gradients, keep_gradients
from recbole_a2d.precision import large_products

_ROWS = 64
"""Sessions of a block."""
_CHUNK_SCORES = 1 << 19
"""Scores of single vectors held at a time, few enough to stay in the cores' own caches."""
_EXACT_IN_BFLOAT16 = 256
"""Whole numbers up to this are told apart in every type that scores come in."""
_ROW_SCORES = 1 << 18
"""Best scores that are exponentiated at a time, for the same reason."""


class IntentBlock(NamedTuple):
    """Sessions that keep equally many intents.

    Attributes:
        rows: sessions of the batch, ``[R]``.
        places: their kept intents, the first of each session, the second, ...: ``[K, R]``.
    """

    rows: Tensor
    places: Tensor

    def vectors(self, intents: Tensor, base: Tensor) -> Tensor:
        """Kept intents with their session's base vector added, ``[K R, D]``."""
        return (intents[self.rows, self.places] + base[self.rows]).flatten(0, 1)


def intent_blocks(kept: Tensor) -> Iterator[IntentBlock]:
    """Blocks that hold every kept intent once; ``kept [B, K]``.

    Raises:
        ValueError: a row keeps no intent.
    """
    counts = kept.sum(dim=1)
    if not bool((counts > 0).all()):
        raise ValueError("every session must keep at least one intent")
    kept_first = (~kept).to(torch.int8).argsort(dim=1, stable=True)
    for count in counts.unique().tolist():
        for rows in (counts == count).nonzero().squeeze(1).split(_ROWS):
            yield IntentBlock(rows, kept_first[rows, :count].T)


def intent_scores(intents: Tensor, kept: Tensor, base: Tensor, item_table: Tensor) -> Tensor:
    r"""Scores :math:`s_{bi} = \max_{k\,kept} x_{bk} \cdot e_i + y_b \cdot e_i` of all items.

    In float32 whatever autocast says: bfloat16 scores tie, and ties count against the model.

    Shapes:
        intents ``[B, K, D]``, kept ``[B, K]`` (one a row at least), base ``[B, D]``,
        item_table ``[N, D]`` -> ``[B, N]``. No gradients.
    """
    with torch.no_grad(), torch.autocast(intents.device.type, enabled=False):
        intents, base, item_table = intents.float(), base.float(), item_table.float()
        scores = base.new_empty(len(base), len(item_table))
        for block in intent_blocks(kept):
            scores[block.rows], _ = _best_scores(block, block.vectors(intents, base), item_table)
    return scores


def intent_softmax_loss(
    intents: Tensor, kept: Tensor, base: Tensor, item_table: Tensor, targets: Tensor
) -> Tensor:
    """Mean cross-entropy of the softmax over the scores of :func:`intent_scores`.

    Row 0 of the table, the pad, is no class: it gets no probability and no gradient. Where
    two intents tie, the gradient goes to the earlier one.

    Args:
        intents: ``[B, K, D]``.
        kept: intents that take part, one a row at least, ``[B, K]``.
        base: ``[B, D]``.
        item_table: ``[N, D]``, row 0 the pad.
        targets: item ids from 1, ``[B]``.

    Returns:
        Scalar loss in float32. First-order gradients only.
    """
    loss: Tensor = _IntentSoftmax.apply(intents, kept, base, item_table, targets)
    return loss


class _IntentSoftmax(torch.autograd.Function):
    """Forward computes the gradients too; backward only scales them by the loss's own."""

    @staticmethod
    @large_products()
    def forward(
        ctx: Any, intents: Tensor, kept: Tensor, base: Tensor, table: Tensor, targets: Tensor
    ) -> Tensor:
        dtype = working_dtype(intents)
        intent_grad = torch.zeros_like(intents, dtype=torch.float32)
        base_grad = torch.empty_like(base, dtype=torch.float32)
        table_grad = torch.zeros_like(table, dtype=torch.float32)
        total = base.new_zeros((), dtype=torch.float32)
        with torch.autocast(intents.device.type, enabled=False):
            low_intents, low_base, items = (x.detach().to(dtype) for x in (intents, base, table))
            for block in intent_blocks(kept):
                vectors = block.vectors(low_intents, low_base)
                scores, winners = _best_scores(block, vectors, items[1:])
                total += _errors_in_place(scores, targets[block.rows] - 1, 1 / len(base))
                grad = _gradients(block, vectors, items[1:], scores, winners, table_grad[1:])
                intent_grad[block.rows, block.places] = grad
                base_grad[block.rows] = grad.sum(0)
        grads = zip((intent_grad, base_grad, table_grad), (intents, base, table), strict=True)
        keep_gradients(ctx, *(grad.to(of.dtype) for grad, of in grads))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        intents, base, table = hand_out_gradients(ctx, grads[0])
        return intents, None, base, table, None


def _best_scores(block: IntentBlock, vectors: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of a block ``[R, N]`` and the number of the winning intent ``[R, N]``.

    Winners are :func:`_numbers` in the scores' own type where it tells so many apart, found by
    comparing and multiplying: a CPU does that many times faster than an argmax or a pass through
    booleans.
    """
    count, rows = block.places.shape
    scores = vectors.new_empty(rows, len(table))
    kind = scores.dtype if count <= _EXACT_IN_BFLOAT16 else torch.float32
    winners = torch.empty_like(scores, dtype=kind)
    numbers = _numbers(count, winners)
    for part in _item_chunks(len(vectors), len(table)):
        single = (vectors @ table[part].T).view(count, rows, -1)
        best = torch.amax(single, dim=0, out=scores[:, part])
        won = torch.eq(single, best, out=single).to(kind).mul_(numbers)
        torch.amax(won, dim=0, out=winners[:, part])
    return scores, winners


def _numbers(count: int, like: Tensor) -> Tensor:
    """Numbers of intents, ``[count, 1, 1]``: the earliest has the largest and wins a tie."""
    return torch.arange(count, 0, -1, device=like.device, dtype=like.dtype).view(-1, 1, 1)


def _errors_in_place(scores: Tensor, classes: Tensor, weight: float) -> Tensor:
    """Turn scores into ``weight`` times probabilities minus one-hot; returns the weighted loss.

    Some rows at a time, so that they stay in cache.
    """
    total = scores.new_zeros((), dtype=torch.float32)
    for rows in row_chunks(len(scores), scores.shape[1], _ROW_SCORES, least=1):
        here, target = scores[rows].float(), classes[rows].unsqueeze(1)
        at_target, highest = here.gather(1, target), here.amax(1, keepdim=True)
        sums = here.sub_(highest).exp_().sum(1, keepdim=True)
        total += weight * (sums.log() + highest - at_target).sum()
        here.mul_(weight / sums).scatter_add_(1, target, torch.full_like(at_target, -weight))
        if here.dtype != scores.dtype:
            scores[rows] = here
    return total


def _gradients(
    block: IntentBlock,
    vectors: Tensor,
    table: Tensor,
    errors: Tensor,
    winners: Tensor,
    table_grad: Tensor,
) -> Tensor:
    """Float32 gradient of the vectors, ``[K, R, D]``; that of the table is added to its own."""
    count, rows = block.places.shape
    numbers = _numbers(count, winners)
    grad = torch.zeros_like(vectors, dtype=torch.float32)
    for part in _item_chunks(len(vectors), len(table)):
        single = errors.new_empty(count, rows, len(table[part]))
        torch.eq(winners[:, part], numbers, out=single).mul_(errors[:, part])
        single = single.flatten(0, 1)
        _add_product(grad, single, table[part])
        _add_product(table_grad[part], single.T, vectors)
    return grad.view(count, rows, -1)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left @ right``, in one pass where the types allow it."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _item_chunks(vectors: int, items: int) -> Iterator[slice]:
    return row_chunks(items, vectors, _CHUNK_SCORES, least=64)
