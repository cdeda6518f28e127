"""Scores as the best of several vectors plus a base vector, and the softmax loss on them.

Plainly computed, every session has one array of scores for each of its vectors:
``[rows, vectors, items]``, gigabytes. Here the vectors of a batch stand end to end without
pads, items are worked on a chunk at a time, and only the winner's number is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.full_softmax import working_dtype

_CHUNK_SCORES = 2 << 20
"""Scores of single vectors held at a time, few enough to stay in a cache."""


@dataclass(frozen=True)
class PackedIntents:
    """Kept intents of a batch, rows with many first: all first intents, all second ones, ...

    Attributes:
        vectors: ``[kept intents, D]``.
        base: base vector of each row in the packed order, ``[B, D]``.
        counts: how many rows have a first, a second, ... intent; falling.
        order: packed row -> row of the batch, ``[B]``.
    """

    vectors: Tensor
    base: Tensor
    counts: list[int]
    order: Tensor

    @classmethod
    def of(cls, intents: Tensor, kept: Tensor, base: Tensor) -> PackedIntents:
        """Pack; shapes: intents ``[B, K, D]``, kept ``[B, K]``, base ``[B, D]``.

        Raises:
            ValueError: a row keeps no intent.
        """
        counts = kept.sum(dim=1)
        if not bool((counts > 0).all()):
            raise ValueError("every session must keep at least one intent")
        order = counts.argsort(descending=True, stable=True)
        ranked = (~kept[order]).to(torch.int8).argsort(dim=1, stable=True)
        present = torch.arange(kept.shape[1], device=kept.device) < counts[order].unsqueeze(1)
        place, row = present.T.nonzero(as_tuple=True)
        vectors = intents[order[row], ranked[row, place]]
        return cls(vectors, base[order], [n for n in present.sum(0).tolist() if n], order)


def intent_scores(intents: Tensor, kept: Tensor, base: Tensor, item_table: Tensor) -> Tensor:
    r"""Scores :math:`s_{bi} = \max_{k\,kept} x_{bk} \cdot e_i + y_b \cdot e_i` of all items.

    In float32 whatever autocast says: bfloat16 scores tie, and ties count against the model.

    Shapes:
        intents ``[B, K, D]``, kept ``[B, K]`` (one a row at least), base ``[B, D]``,
        item_table ``[N, D]`` -> ``[B, N]``. No gradients.
    """
    with torch.no_grad(), torch.autocast(intents.device.type, enabled=False):
        packed = PackedIntents.of(intents.float(), kept, base.float())
        scores, _ = _best_scores(packed, item_table.float())
        unpacked = torch.empty_like(scores)
        unpacked[packed.order] = scores
    return unpacked


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
    packed = PackedIntents.of(intents, kept, base)
    loss: Tensor = _IntentSoftmax.apply(
        packed.vectors, packed.base, item_table, targets[packed.order], packed.counts
    )
    return loss


class _IntentSoftmax(torch.autograd.Function):
    """Forward computes the gradients too; backward only scales them by the loss's own."""

    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, base: Tensor, table: Tensor, targets: Tensor, counts: list[int]
    ) -> Tensor:
        dtype = working_dtype(vectors)
        with torch.autocast(vectors.device.type, enabled=False):
            low = [part.detach().to(dtype) for part in (vectors, base, table)]
            packed = PackedIntents(low[0], low[1], counts, targets)
            scores, winners = _best_scores(packed, low[2][1:])
            losses = _errors_in_place(scores, targets - 1)
            grads = _gradients(packed, low[2][1:], scores, winners)
        ctx.save_for_backward(*(grad.div_(len(targets)) for grad in grads))
        ctx.dtypes = (vectors.dtype, base.dtype, table.dtype)
        return losses.mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scaled = (saved * grads[0] for saved in ctx.saved_tensors)
        return *(g.to(dtype) for g, dtype in zip(scaled, ctx.dtypes, strict=True)), None, None


def _best_scores(packed: PackedIntents, table: Tensor) -> tuple[Tensor, Tensor]:
    """Packed scores ``[B, N]`` and the number of the winning intent ``[B, N]``.

    Winners are numbers in the scores' own type: a CPU compares and multiplies within one
    type many times faster than through a boolean.
    """
    scores = table.new_empty(len(packed.base), len(table))
    winners = torch.empty_like(scores)
    for part in _item_chunks(packed, len(table)):
        best, winner = _best_of(packed, packed.vectors @ table[part].T)
        torch.add(best, packed.base @ table[part].T, out=scores[:, part])
        winners[:, part] = winner
    return scores, winners


def _best_of(packed: PackedIntents, single: Tensor) -> tuple[Tensor, Tensor]:
    best = single[: packed.counts[0]]
    winner = torch.zeros_like(best)
    start = packed.counts[0]
    for number, count in enumerate(packed.counts[1:], start=1):
        challenger = single[start : start + count]
        beaten = torch.gt(challenger, best[:count], out=torch.empty_like(challenger))
        torch.maximum(winner[:count], beaten.mul_(number), out=winner[:count])
        torch.maximum(best[:count], challenger, out=best[:count])
        start += count
    return best, winner


def _errors_in_place(scores: Tensor, classes: Tensor) -> Tensor:
    """Turn scores into probabilities minus one-hot; return each row's loss, ``[B]``."""
    losses = scores.new_empty(len(scores), dtype=torch.float32)
    for start in range(0, len(scores), 64):
        part, target = scores[start : start + 64], classes[start : start + 64].unsqueeze(1)
        log_sum = part.float().logsumexp(dim=1, keepdim=True)
        losses[start : start + 64] = (log_sum - part.gather(1, target).float()).squeeze(1)
        part.copy_(torch.softmax(part, dim=1))
        part.scatter_add_(1, target, part.new_full(target.shape, -1.0))
    return losses


def _gradients(
    packed: PackedIntents, table: Tensor, errors: Tensor, winners: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Float32 gradients of vectors, base and table (pad row in front) for summed errors."""
    vector_grad = torch.zeros_like(packed.vectors, dtype=torch.float32)
    table_grad = table.new_zeros(len(table) + 1, table.shape[1], dtype=torch.float32)
    for part in _item_chunks(packed, len(table)):
        error, winner = errors[:, part].contiguous(), winners[:, part].contiguous()
        single = _errors_of_winners(packed, error, winner)
        vector_grad += single @ table[part]
        table_grad[1:][part] = single.T @ packed.vectors + error.T @ packed.base
    return vector_grad, (errors @ table).float(), table_grad


def _errors_of_winners(packed: PackedIntents, error: Tensor, winner: Tensor) -> Tensor:
    """Each intent's share of the errors: those of the items it won; ``[kept intents, chunk]``."""
    single = error.new_empty(len(packed.vectors), error.shape[1])
    start = 0
    for number, count in enumerate(packed.counts):
        share = single[start : start + count]
        torch.eq(winner[:count], number, out=share).mul_(error[:count])
        start += count
    return single


def _item_chunks(packed: PackedIntents, items: int) -> list[slice]:
    size = max(64, _CHUNK_SCORES // len(packed.vectors))
    return [slice(start, start + size) for start in range(0, items, size)]
