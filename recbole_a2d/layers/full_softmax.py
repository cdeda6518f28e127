"""Scores over all items and the softmax cross-entropy on them, the dearest part of a step.

The scores of a batch, ``items x rows``, are the largest array of training. Autograd would
write them, their float32 copy and their gradient, and read the item table once for each, once
more to divide its rows by their lengths, and once for the gradient of that.
:func:`full_softmax_loss` goes over the table twice, some items at a time so that all passes
over these items run in cache: once for the exponentials of their scores, which it keeps, and,
when the sums over all items are known, once for both gradients. The sums and the targets enter
the products as factors and corrections of the rows, so that no pass over the exponentials is
spent on turning them into probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_a2d.layers.candidates import Candidates, unit_candidates
from recbole_a2d.layers.chunks import row_chunks
from recbole_a2d.layers.made_gradients import hand_out_gradients, keep_gradients
from recbole_a2d.precision import large_products

_CHUNK_BYTES = 1 << 21
"""Vectors or exponentials that a thread works on at a time; about a core's own cache."""
_SMALL = 40.0
"""Scores that cannot be larger need no maximum subtracted before ``exp`` in float32."""
_NOTHING = -40.0
"""Scores so far below the highest count as this far. Products of their exponentials would be
denormal numbers, on which a processor is far slower; exp(-40) times a million items is nothing."""

_LEAST_SUM = 1e-20
"""Sums of exponentials above this lose no digits to denormal numbers."""


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


def log_sums(scores: Tensor) -> Tensor:
    """log sum exp over the candidates of each row; ``[B, N + 1]`` (column 0 the pad's) -> ``[B]``.

    A few rows at a time, so that their exponentials never leave the cache. Nearly always they fit
    into float32 as they are; a row whose sum does not is summed again, its maximum subtracted.
    """
    rows, items = scores.shape
    parts = row_chunks(rows, items * scores.element_size(), _CHUNK_BYTES)
    sums = torch.cat([scores[part, 1:].exp().sum(1) for part in parts])
    result = sums.log()
    off = ~((sums > _LEAST_SUM) & sums.isfinite())
    if bool(off.any()):
        result[off] = scores[off, 1:].logsumexp(1)
    return result


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
) -> tuple[Tensor, Tensor]:
    """:func:`full_softmax_loss`, and the cross-entropy of each row, which has no gradient.

    Returns:
        Scalar and ``[B]``, float32.
    """
    log_share, log_rest = (None, None) if mixture is None else mixture
    weights, features = (None, None) if fixed is None else fixed
    mean, losses = _FullSoftmax.apply(
        session_vectors, item_table, targets, log_share, log_rest, unit_items, weights, features
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


class FixedScores(NamedTuple):
    """A summand of the scores to which the item vectors contribute nothing.

    Attributes:
        weights: of the features, for each session, ``[B, K]``.
        features: what is known of each item, without a gradient, ``[N + 1, K]``, row 0 the pad.
    """

    weights: Tensor
    features: Tensor


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
    ) -> tuple[Tensor, Tensor]:
        dtype = working_dtype(sessions)
        with torch.autocast(sessions.device.type, enabled=False):
            vectors = sessions.detach().float()
            kind = unit_candidates(len(vectors), table.shape[1]) if unit_items else Candidates
            candidates = kind(table.detach()[1:], dtype)
            fixed = None
            if feature_weights is not None and features is not None:
                fixed = FixedScores(feature_weights.detach().float(), features[1:])
            softmax = _Softmax(vectors, candidates, targets, fixed)
            losses, kept, mixture_grads = softmax.losses, None, (None, None)
            if log_share is not None and log_rest is not None:
                # A row's gradient shrinks to the softmax's share of its target's probability.
                log_softmax = log_share.detach().float() - losses
                losses = -torch.logaddexp(log_softmax, log_rest.detach().float())
                kept = (log_softmax + losses).exp()
                of_share, of_rest = -kept / len(targets), (kept - 1) / len(targets)
                mixture_grads = (of_share.to(log_share.dtype), of_rest.to(log_rest.dtype))
            weights = vectors.new_full((len(targets),), 1 / len(targets))
            session_grad, table_grad, of_weights = softmax.gradients(
                weights if kept is None else weights * kept, table
            )
        keep_gradients(ctx, session_grad.to(sessions.dtype), table_grad, *mixture_grads, of_weights)
        ctx.mark_non_differentiable(losses)
        return losses.mean(), losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        sessions, table, share, rest, of_weights = hand_out_gradients(ctx, grads[0])
        return sessions, table, None, share, rest, None, of_weights, None


class _Softmax:
    """Softmax over all candidates of the scores of some sessions.

    Args:
        sessions: ``[B, D]``, float32.
        candidates: of ``[N, D]``.
        targets: ids from 1, ``[B]``.
        fixed: what is added to the products, features ``[N, K]``; or None.

    Attributes:
        losses: cross-entropy of each row, ``[B]``.
    """

    def __init__(
        self,
        sessions: Tensor,
        candidates: Candidates,
        targets: Tensor,
        fixed: FixedScores | None = None,
    ) -> None:
        self.sessions, self.candidates, self.classes = sessions, candidates, targets - 1
        self.fixed = fixed
        rows, (items, dim) = len(sessions), candidates.vectors.shape
        budget = _CHUNK_BYTES * torch.get_num_threads()
        self.chunks = list(row_chunks(items, 4 * max(rows, dim), budget, least=64))
        # one array a chunk, [B, C]: what belongs to an item stands in a row's order
        kept = sessions.new_empty(items * rows, dtype=candidates.dtype)
        sizes = [rows * (chunk.stop - chunk.start) for chunk in self.chunks]
        self.exponentials = [part.view(rows, -1) for part in kept.split(sizes)]
        self.subtracted = torch.zeros(len(self.chunks), dtype=torch.bool, device=sessions.device)
        highest, sums = self._exponentiate(candidates.first_part)
        if candidates.found_zeros():
            highest, sums = self._exponentiate(candidates.part)
        total = (highest + sums.log()).logsumexp(0)
        self.factors = (highest - total).exp_()
        self.factors[(highest - total < _NOTHING) & self.subtracted.unsqueeze(1)] = 0
        self.targets = candidates.rows(self.classes)
        self.losses = total - torch.linalg.vecdot(sessions, self.targets)
        if fixed is not None:
            self.losses -= torch.linalg.vecdot(fixed.weights, fixed.features[self.classes])

    def _exponentiate(self, vectors: Callable[[slice], Tensor]) -> tuple[Tensor, Tensor]:
        """Fill in the exponentials; highest scores and sums of each chunk, ``[chunks, B]``."""
        candidates, sessions = self.candidates, self.sessions.to(self.candidates.dtype)
        highest = self.sessions.new_zeros(len(self.chunks), len(sessions))
        sums = torch.empty_like(highest)
        longest = float(torch.linalg.vector_norm(self.sessions, dim=1).max())
        added = 0.0 if self.fixed is None else _farthest(self.fixed)
        for number, (items, kept) in enumerate(zip(self.chunks, self.exponentials, strict=True)):
            torch.mm(sessions, vectors(items).T, out=kept)
            scores = candidates.divided(kept, items).float()
            if self.fixed is not None:
                scores.addmm_(self.fixed.weights, self.fixed.features[items].T)
            # not "greater than": NaN takes the long way, where it is found
            if not longest * candidates.longest(items) + added <= _SMALL:
                self.subtracted[number] = True
                torch.amax(scores, 1, out=highest[number])
                scores.sub_(highest[number].unsqueeze(1)).clamp_min_(_NOTHING)
            torch.sum(scores.exp_(), 1, out=sums[number])
            if scores is not kept:
                kept.copy_(scores)
        return highest, sums

    def gradients(self, weights: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Gradients of ``(weights * losses).sum()`` for sessions, table and feature weights.

        Shapes:
            weights ``[B]``, table ``[N + 1, D]`` -> ``[B, D]``, ``[N + 1, D]``, ``[B, K]``.
        """
        candidates, session_grad = self.candidates, torch.zeros_like(self.sessions)
        table_grad = torch.empty_like(table)
        table_grad[0] = 0
        factors = (self.factors * weights).unsqueeze(2)
        of_features = None
        if self.fixed is not None:
            of_features = self.fixed.features[self.classes] * -weights.unsqueeze(1)
        for items, kept, factor in zip(self.chunks, self.exponentials, factors, strict=True):
            if self.fixed is not None and of_features is not None:
                of_features.addcmul_(kept.float() @ self.fixed.features[items], factor)
            exponentials = candidates.divided(kept, items)
            session_grad.addcmul_(exponentials @ candidates.part(items), factor)
            scaled = (self.sessions * factor).to(candidates.dtype)
            rows = _product(exponentials.T, scaled, out=table_grad[1:][items])
            candidates.turn_gradient_(rows, items)
        of_target = candidates.rows_gradient(self.sessions * -weights.unsqueeze(1), self.classes)
        table_grad.index_add_(0, self.classes + 1, of_target.to(table.dtype))
        return session_grad - self.targets * weights.unsqueeze(1), table_grad, of_features


def _farthest(fixed: FixedScores) -> float:
    """What a fixed score cannot exceed."""
    return float((fixed.weights.abs() @ fixed.features.abs().amax(0)).max())


def _product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """Matrix product, written where it belongs if precisions allow."""
    if left.dtype == out.dtype:
        return torch.mm(left, right, out=out)
    return out.copy_(left @ right)


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
