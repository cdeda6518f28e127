"""Scores over all items and the softmax cross-entropy on them, the dearest part of a step.

The logits of a batch, ``rows x items``, are the largest array of training. Autograd
would write them, their float32 copy and their gradient; :func:`full_softmax_loss` keeps
one array of probabilities in the working precision and turns it into the gradient in
place, chunk of rows by chunk of rows so that the softmax passes run in cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_a2d.layers.chunks import row_chunks
from recbole_a2d.layers.unit_rows import inverse_lengths, scale_rows, unit_rows_gradient

_CHUNK_BYTES = 8 << 20
"""Logits worked on at a time; about the size of the last private caches."""


def working_dtype(tensor: Tensor) -> torch.dtype:
    """The precision that autocast asks for on the tensor's device, else the tensor's own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def all_scores(session_vectors: Tensor, item_table: Tensor) -> Tensor:
    """Dot product of every session vector with every row of the item table (Eq. 21).

    In float32 whatever autocast says: bfloat16 scores tie, and ties count against the model.

    Shapes:
        session_vectors ``[B, D]``, item_table ``[N + 1, D]`` (row 0 the pad) -> ``[B, N + 1]``.
    """
    with torch.autocast(session_vectors.device.type, enabled=False):
        return session_vectors.float() @ item_table.float().T


def full_softmax_loss(
    session_vectors: Tensor,
    item_table: Tensor,
    targets: Tensor,
    mixture: TargetMixture | None = None,
    *,
    unit_items: bool = False,
) -> Tensor:
    """Mean cross-entropy of the softmax over all candidates (Eq. 22 as the lineage runs it).

    The pad row of the table is no class: it gets no probability and no gradient.

    Args:
        session_vectors: ``[B, D]``.
        item_table: ``[N + 1, D]``, row 0 the pad.
        targets: item ids from 1 to N, ``[B]``.
        mixture: where the softmax is one part of a mixture, what the target has from the rest.
        unit_items: divide the table's rows by their lengths first, for cosine scores.

    Returns:
        Scalar loss in float32. First-order gradients only.
    """
    log_share, log_rest = (None, None) if mixture is None else mixture
    loss: Tensor = _FullSoftmax.apply(
        session_vectors, item_table, targets, log_share, log_rest, unit_items
    )
    return loss


class TargetMixture(NamedTuple):
    r"""The target's probability where the softmax is one of several parts of the answer.

    .. math:: p(y) = e^{share}\, softmax(y) + e^{rest}

    Attributes:
        log_share: log of the softmax's weight, ``[B]``.
        log_rest: log of what the other parts give the target, their weights included, ``[B]``.
    """

    log_share: Tensor
    log_rest: Tensor


class _FullSoftmax(torch.autograd.Function):
    """Forward computes the gradients too; backward only scales them by the loss's own."""

    @staticmethod
    def forward(
        ctx: Any,
        sessions: Tensor,
        table: Tensor,
        targets: Tensor,
        log_share: Tensor | None,
        log_rest: Tensor | None,
        unit_items: bool,
    ) -> Tensor:
        dtype = working_dtype(sessions)
        rows = len(targets)
        with torch.autocast(sessions.device.type, enabled=False):
            low = sessions.detach().to(dtype)
            items = table.detach()[1:]
            if unit_items:
                inverse = inverse_lengths(items)
                candidates = scale_rows(items, inverse, torch.empty_like(items, dtype=dtype))
            else:
                candidates = items.to(dtype)
            losses, errors, session_grad = _softmax_passes(low, candidates, targets - 1)
            share_grad = rest_grad = None
            if log_share is not None and log_rest is not None:
                # A row's gradient shrinks to the softmax's share of its target's probability.
                log_softmax = log_share.detach().float() - losses
                losses = -torch.logaddexp(log_softmax, log_rest.detach().float())
                kept = (log_softmax + losses).exp()
                share_grad = (-kept / rows).to(log_share.dtype)
                rest_grad = ((kept - 1) / rows).to(log_rest.dtype)
                session_grad *= kept.unsqueeze(1)
                low = low * kept.unsqueeze(1).to(dtype)
            table_grad = torch.empty_like(table)
            table_grad[0] = 0
            # The mean over rows is taken on the sessions: the table is the larger by far.
            candidate_grad = errors.T @ (low / rows)
            if unit_items:
                unit_rows_gradient(candidate_grad, items, inverse, table_grad[1:])
            else:
                table_grad[1:] = candidate_grad
        ctx.mixed = share_grad is not None
        parts = (session_grad.to(sessions.dtype) / rows, table_grad)
        ctx.save_for_backward(*parts, *((share_grad, rest_grad) if ctx.mixed else ()))
        return losses.mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = list(ctx.saved_tensors)
        if not bool(grads[0] == 1):
            saved = [grad * grads[0] for grad in saved]
        session_grad, table_grad, *mixture_grads = saved
        return session_grad, table_grad, None, *(mixture_grads or (None, None)), None


def _softmax_passes(
    sessions: Tensor, candidates: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Per-row losses ``[B]``, probabilities minus one-hot ``[B, N]`` and session gradient."""
    rows, items = len(sessions), len(candidates)
    losses = sessions.new_empty(rows, dtype=torch.float32)
    errors = sessions.new_empty(rows, items)
    session_grad = torch.empty_like(sessions)
    for part in row_chunks(rows, items * sessions.element_size(), _CHUNK_BYTES, least=16):
        error = errors[part]
        torch.softmax(sessions[part] @ candidates.T, dim=1, out=error)
        target = classes[part].unsqueeze(1)
        probability = error.gather(1, target)
        losses[part] = -probability.float().clamp_min(1e-38).log().squeeze(1)
        error.scatter_(1, target, probability - 1)
        torch.mm(error, candidates, out=session_grad[part])
    return losses, errors, session_grad


def softmax_bce_loss(session_vectors: Tensor, item_table: Tensor, targets: Tensor) -> Tensor:
    """Eq. 22 as printed: binary cross-entropy of every class of a softmax, mean over rows.

    ``-log p_y - sum over j != y of log(1 - p_j)``; the second term is close to ``1 - p_y``
    where there are many items. Same arguments as :func:`full_softmax_loss`.
    """
    logits = session_vectors @ item_table[1:].T
    log_probability = torch.log_softmax(logits.float(), dim=1)
    target = (targets - 1).unsqueeze(1)
    others = torch.log1p(-log_probability.exp().clamp_max(1.0 - 1e-6))
    others = others.sum(1, keepdim=True) - others.gather(1, target)
    return -(log_probability.gather(1, target) + others).mean()
