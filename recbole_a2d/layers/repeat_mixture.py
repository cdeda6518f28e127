"""Softmax that splits a session's own items from all others (MSGIFSR, section 3.5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.candidates import Candidates
from recbole_a2d.layers.full_softmax import all_scores, working_dtype
from recbole_a2d.layers.left_out import is_among
from recbole_a2d.layers.log_partition import LogPartition
from recbole_a2d.layers.segments import take
from recbole_a2d.precision import large_products

_LOWEST = torch.finfo(torch.float32).min


def logsumexp_of_others(vectors: Tensor, table: Tensor, left_out: Tensor) -> Tensor:
    """log sum exp of the scores of all items but the pad and those left out.

    Shapes:
        vectors ``[R, D]``, table ``[N + 1, D]`` (row 0 the pad), left_out ``[R, S]`` (0 on
        empty places) -> ``[R]``, float32. First-order gradients only.
    """
    result: Tensor = _LogSumExp.apply(vectors, table, left_out)
    return result


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    @large_products()
    def forward(ctx: Any, vectors: Tensor, table: Tensor, left_out: Tensor) -> Tensor:
        dtype = working_dtype(vectors)
        with torch.autocast(vectors.device.type, enabled=False):
            candidates = Candidates(table.detach()[1:], dtype)
            partition = LogPartition(vectors.detach().float(), candidates, left_out=left_out)
        ctx.partition, ctx.dtype = partition, vectors.dtype
        return partition.total

    @staticmethod
    @large_products()
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        of_vectors, of_table, _ = ctx.partition.gradients(grads[0])
        return of_vectors.to(ctx.dtype), of_table, None


def target_log_probability(
    vectors: Tensor, table: Tensor, nodes: Tensor, targets: Tensor, log_split: Tensor | None
) -> Tensor:
    """Log-probability of each row's target, for training.

    Args:
        vectors: ``[B, D]``.
        table: ``[N + 1, D]``, row 0 the pad.
        nodes: the session's own items, 0 on empty places, ``[B, S]``.
        targets: item ids from 1, ``[B]``.
        log_split: log-probabilities of "one of its own items" and "another", ``[B, 2]``, the
            softmax being taken within each; None: one softmax over all items.

    Returns:
        ``[B]``, float32.
    """
    own_vectors, target_vectors = take(table, nodes).float(), take(table, targets).float()
    with torch.autocast(vectors.device.type, enabled=False):
        score = (vectors.float() * target_vectors).sum(1)
        if log_split is None:
            return score - logsumexp_of_others(vectors, table, nodes[:, :0])
        own = torch.bmm(own_vectors, vectors.float().unsqueeze(2)).squeeze(2)
    total = own.masked_fill(nodes == 0, _LOWEST).logsumexp(1)
    is_own = is_among(targets, nodes)
    # a row whose target is one of its own items needs no sum over all the others
    rows = (~is_own).nonzero().squeeze(1)
    if len(rows) > 0:
        of_others = logsumexp_of_others(vectors[rows], table, nodes[rows])
        total = total.index_copy(0, rows, of_others)
    return score - total + torch.where(is_own, log_split[:, 0], log_split[:, 1])


def all_log_probabilities(
    vectors: Tensor, table: Tensor, nodes: Tensor, log_split: Tensor | None
) -> Tensor:
    """Log-probabilities of all items, for ranking; arguments as above -> ``[B, N + 1]``.

    Column 0 is the pad's and means nothing.
    """
    scores = all_scores(vectors, table).float()
    scores[:, 0] = _LOWEST
    if log_split is None:
        return scores.log_softmax(1)
    own = scores.gather(1, nodes)
    own = own.masked_fill(nodes == 0, _LOWEST).log_softmax(1) + log_split[:, :1]
    others = scores.scatter(1, nodes, _LOWEST).log_softmax(1) + log_split[:, 1:]
    return others.scatter(1, nodes, own)
