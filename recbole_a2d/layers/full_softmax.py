"""Scores over all items and the softmax cross-entropy on them.

The cross-entropy is the logarithm of the sum over all items
(:mod:`~recbole_a2d.layers.log_partition`) less the target's score, which enters the gradients as a
correction of single rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_a2d.layers.candidates import Candidates, unit_candidates
from recbole_a2d.layers.left_out import is_among, without_whole_catalogues
from recbole_a2d.layers.log_partition import FixedScores, LogPartition
from recbole_a2d.layers.made_gradients import hand_out_gradients, keep_gradients
from recbole_a2d.precision import large_products


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
    fixed: FixedScores | None = None,
) -> Tensor:
    """Mean cross-entropy of the softmax over all candidates (Eq. 22 as the lineage runs it).

    The pad row of the table is no class: it gets no probability and no gradient.

    Args:
        session_vectors: ``[B, D]``.
        item_table: ``[N + 1, D]``, row 0 the pad.
        targets: item ids from 1 to N, ``[B]``.
        mixture: where the softmax is one part of a mixture, what the target has from the rest.
        unit_items: divide the table's rows by their lengths first, for cosine scores.
        fixed: what is added to the products of sessions and table.

    Returns:
        Scalar loss in float32. First-order gradients only.
    """
    return full_softmax_losses(
        session_vectors, item_table, targets, mixture, unit_items=unit_items, fixed=fixed
    )[0]


def full_softmax_losses(
    session_vectors: Tensor,
    item_table: Tensor,
    targets: Tensor,
    mixture: TargetMixture | None = None,
    *,
    unit_items: bool = False,
    fixed: FixedScores | None = None,
    left_out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r""":func:`full_softmax_loss`, and the cross-entropy of each row, which has no gradient.

    With ``left_out`` the target has :math:`e^{share}\, [y \notin out]\, softmax_{\notin out}(y) +
    e^{rest}`. Rows whose target is left out go through the softmax all the same: a batch of ever
    another size costs more than it spares.

    Args:
        left_out: items that are no candidates of a row, 0 on empty places, ``[B, S]``; with a
            mixture alone, for nothing else gives a target among them anything.

    Returns:
        Scalar and ``[B]``, float32.
    """
    log_share, log_rest = (None, None) if mixture is None else mixture
    weights, features = (None, None) if fixed is None else fixed
    if left_out is not None:
        if log_share is None:
            raise ValueError("left_out needs a mixture: it takes the softmax from some targets")
        log_share = log_share.masked_fill(is_among(targets, left_out), -torch.inf)
        left_out = without_whole_catalogues(left_out, len(item_table))
    mean, losses = _FullSoftmax.apply(
        session_vectors,
        item_table,
        targets,
        log_share,
        log_rest,
        unit_items,
        weights,
        features,
        left_out,
    )
    return mean, losses


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
    @large_products()
    def forward(
        ctx: Any,
        sessions: Tensor,
        table: Tensor,
        targets: Tensor,
        log_share: Tensor | None,
        log_rest: Tensor | None,
        unit_items: bool,
        feature_weights: Tensor | None,
        features: Tensor | None,
        left_out: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        dtype = working_dtype(sessions)
        with torch.autocast(sessions.device.type, enabled=False):
            vectors = sessions.detach().float()
            kind = unit_candidates(len(vectors), table.shape[1]) if unit_items else Candidates
            candidates = kind(table.detach()[1:], dtype)
            fixed = None
            if feature_weights is not None and features is not None:
                fixed = FixedScores(feature_weights.detach().float(), features[1:])
            partition = LogPartition(vectors, candidates, fixed, left_out)
            target = _TargetScores(vectors, candidates, targets - 1, fixed)
            losses, kept, mixture_grads = partition.total - target.scores, None, (None, None)
            if log_share is not None and log_rest is not None:
                # A row's gradient shrinks to the softmax's share of its target's probability.
                log_softmax = log_share.detach().float() - losses
                losses = -torch.logaddexp(log_softmax, log_rest.detach().float())
                kept = (log_softmax + losses).exp()
                of_share, of_rest = -kept / len(targets), (kept - 1) / len(targets)
                mixture_grads = (of_share.to(log_share.dtype), of_rest.to(log_rest.dtype))
            weights = vectors.new_full((len(targets),), 1 / len(targets))
            weights = weights if kept is None else weights * kept
            grads = partition.gradients(weights)
            target.take_from_(*grads, weights)
        session_grad, table_grad, of_features = grads
        session_grad = session_grad.to(sessions.dtype)
        keep_gradients(ctx, session_grad, table_grad, *mixture_grads, of_features)
        ctx.mark_non_differentiable(losses)
        return losses.mean(), losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        sessions, table, share, rest, of_weights = hand_out_gradients(ctx, grads[0])
        return sessions, table, None, share, rest, None, of_weights, None, None


class _TargetScores:
    """Scores of the targets, and their gradients.

    Args:
        sessions: ``[B, D]``, float32.
        candidates: of ``[N, D]``, after their first pass.
        classes: the targets' rows, ``[B]``.
        fixed: what is added to the products, features ``[N, K]``; or None.

    Attributes:
        scores: ``[B]``.
    """

    def __init__(
        self, sessions: Tensor, candidates: Candidates, classes: Tensor, fixed: FixedScores | None
    ) -> None:
        self.sessions, self.candidates, self.classes = sessions, candidates, classes
        self.vectors = candidates.rows(classes)
        self.features = None if fixed is None else fixed.features[classes]
        self.scores = torch.linalg.vecdot(sessions, self.vectors)
        if fixed is not None and self.features is not None:
            self.scores += torch.linalg.vecdot(fixed.weights, self.features)

    def take_from_(
        self, of_sessions: Tensor, of_table: Tensor, of_features: Tensor | None, weights: Tensor
    ) -> None:
        """Subtract the gradients of ``(weights * scores).sum()``, in place.

        Shapes:
            those of :meth:`LogPartition.gradients`; weights ``[B]``.
        """
        weight = weights.unsqueeze(1)
        of_sessions.addcmul_(self.vectors, weight, value=-1)
        rows = self.candidates.rows_gradient(self.sessions * -weight, self.classes)
        of_table.index_add_(0, self.classes + 1, rows.to(of_table.dtype))
        if of_features is not None and self.features is not None:
            of_features.addcmul_(self.features, weight, value=-1)


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
