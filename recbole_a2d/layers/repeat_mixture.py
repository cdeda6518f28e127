"""Softmax that splits a session's own items from all others (MSGIFSR, section 3.5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks
from recbole_a2d.layers.full_softmax import all_scores, working_dtype
from recbole_a2d.layers.segments import take
from recbole_a2d.precision import large_products

_CHUNK_BYTES = 8 << 20
_LOWEST = torch.finfo(torch.float32).min


def logsumexp_of_others(vectors: Tensor, table: Tensor, left_out: Tensor) -> Tensor:
    """log sum exp of the scores of all items but the pad and those left out.

    Like :func:`~recbole_a2d.layers.full_softmax.full_softmax_loss` it keeps one array of
    probabilities and works on it in chunks of rows.

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
            rows, items = vectors.detach().to(dtype), table.detach().to(dtype)
            totals = rows.new_empty(len(rows), dtype=torch.float32)
            shares = rows.new_empty(len(rows), len(items))
            for part in row_chunks(len(rows), 4 * len(items), _CHUNK_BYTES, least=16):
                scores = (rows[part] @ items.T).float()
                scores[:, 0] = _LOWEST
                scores.scatter_(1, left_out[part], _LOWEST)
                # the highest score and its share tell the total: no second pass of exponentials
                highest = scores.amax(1)
                share = shares[part] if dtype == torch.float32 else scores
                torch.softmax(scores, dim=1, out=share)
                totals[part] = highest - share.amax(1).log()
                if dtype != torch.float32:
                    shares[part] = share
        ctx.save_for_backward(vectors, table, shares)
        return totals

    @staticmethod
    @large_products()
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        vectors, table, shares = ctx.saved_tensors
        scale = grads[0].unsqueeze(1)
        vector_grad = (shares @ table.to(shares.dtype)).to(vectors.dtype) * scale
        table_grad = shares.T @ (vectors * scale).to(shares.dtype)
        return vector_grad.to(vectors.dtype), table_grad.to(table.dtype), None


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
    is_own = (nodes == targets.unsqueeze(1)).any(1)
    # a row whose target is one of its own items needs no sum over all the others
    rows = (~is_own).nonzero().squeeze(1)
    total = total.index_copy(0, rows, logsumexp_of_others(vectors[rows], table, nodes[rows]))
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
