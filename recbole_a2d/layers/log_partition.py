"""The logarithm of a softmax's denominator over all items, the dearest part of a step.

The scores of a batch, ``items x rows``, are the largest array of training. Autograd would
write them, their float32 copy and their gradient, and read the item table once for each, once
more to divide its rows by their lengths, and once for the gradient of that.
:class:`LogPartition` goes over the table twice, some items at a time so that all passes over
these items run in cache: once for the exponentials of their scores, which it keeps, and, when
the sums over all items are known, once for both gradients. The sums enter the products as
factors of the rows, so that no pass over the exponentials is spent on turning them into
probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_a2d.layers.candidates import Candidates
from recbole_a2d.layers.chunks import row_chunks

_CHUNK_BYTES = 1 << 21
"""Vectors or exponentials that a thread works on at a time; about a core's own cache."""
_SMALL = 40.0
"""Scores that cannot be larger need no maximum subtracted before ``exp`` in float32."""
_NOTHING = -40.0
"""Scores so far below the highest count as this far. Products of their exponentials would be
denormal numbers, on which a processor is far slower; exp(-40) times a million items is nothing."""

_LEAST_SUM = 1e-20
"""Sums of exponentials above this lose no digits to denormal numbers."""
_LOWEST = torch.finfo(torch.float32).min


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


class FixedScores(NamedTuple):
    """A summand of the scores to which the item vectors contribute nothing.

    Attributes:
        weights: of the features, for each session, ``[B, K]``.
        features: what is known of each item, without a gradient, ``[N + 1, K]``, row 0 the pad.
    """

    weights: Tensor
    features: Tensor


class LogPartition:
    """log sum exp of the scores of some sessions over all candidates, and its gradients.

    Args:
        sessions: ``[B, D]``, float32.
        candidates: of ``[N, D]``.
        fixed: what is added to the products, features ``[N, K]``; or None.
        left_out: ids from 1 of candidates that a row's sum leaves out, 0 on empty places,
            ``[B, S]``; or None. Every row must keep one.

    Attributes:
        total: the logarithms, ``[B]``.
    """

    def __init__(
        self,
        sessions: Tensor,
        candidates: Candidates,
        fixed: FixedScores | None = None,
        left_out: Tensor | None = None,
    ) -> None:
        self.sessions, self.candidates, self.fixed = sessions, candidates, fixed
        rows, (items, dim) = len(sessions), candidates.vectors.shape
        budget = _CHUNK_BYTES * torch.get_num_threads()
        self.chunks = list(row_chunks(items, 4 * max(rows, dim), budget, least=64))
        self._left_out = None if left_out is None else _LeftOut(left_out, self.chunks)
        # one array a chunk, [B, C]: what belongs to an item stands in a row's order
        kept = sessions.new_empty(items * rows, dtype=candidates.dtype)
        sizes = [rows * (chunk.stop - chunk.start) for chunk in self.chunks]
        self.exponentials = [part.view(rows, -1) for part in kept.split(sizes)]
        self.subtracted = torch.zeros(len(self.chunks), dtype=torch.bool, device=sessions.device)
        highest, sums = self._exponentiate(candidates.first_part)
        if candidates.found_zeros():
            highest, sums = self._exponentiate(candidates.part)
        self.total = (highest + sums.log()).logsumexp(0)
        self.factors = (highest - self.total).exp_()
        self.factors[(highest - self.total < _NOTHING) & self.subtracted.unsqueeze(1)] = 0

    def _exponentiate(self, vectors: Callable[[slice], Tensor]) -> tuple[Tensor, Tensor]:
        """Fill in the exponentials; highest scores and sums of each chunk, ``[chunks, B]``."""
        candidates = self.candidates
        sessions = self.sessions.to(candidates.dtype)
        highest = self.sessions.new_zeros(len(self.chunks), len(sessions))
        sums = torch.empty_like(highest)
        longest = float(torch.linalg.vector_norm(self.sessions, dim=1).max())
        added = 0.0 if self.fixed is None else _farthest(self.fixed)
        for number, (items, kept) in enumerate(zip(self.chunks, self.exponentials, strict=True)):
            torch.mm(sessions, vectors(items).T, out=kept)
            scores = candidates.divided(kept, items).float()
            if self.fixed is not None:
                scores.addmm_(self.fixed.weights, self.fixed.features[items].T)
            if self._left_out is not None:
                self._left_out.mask_(scores, number)
            # not "greater than": NaN takes the long way, where it is found
            if not longest * candidates.longest(items) + added <= _SMALL:
                self.subtracted[number] = True
                torch.amax(scores, 1, out=highest[number])
                scores.sub_(highest[number].unsqueeze(1)).clamp_min_(_NOTHING)
            torch.sum(scores.exp_(), 1, out=sums[number])
            if scores is not kept:
                kept.copy_(scores)
        return highest, sums

    def gradients(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Gradients of ``(weights * total).sum()`` for sessions, table and feature weights.

        Shapes:
            weights ``[B]`` -> ``[B, D]``, ``[N + 1, D]`` (row 0 the pad's, zero), ``[B, K]``.
        """
        candidates, session_grad = self.candidates, torch.zeros_like(self.sessions)
        items, dim = candidates.vectors.shape
        table_grad = candidates.vectors.new_empty(items + 1, dim)
        table_grad[0] = 0
        factors = (self.factors * weights).unsqueeze(2)
        of_features = None if self.fixed is None else torch.zeros_like(self.fixed.weights)
        for chunk, kept, factor in zip(self.chunks, self.exponentials, factors, strict=True):
            if self.fixed is not None and of_features is not None:
                of_features.addcmul_(kept.float() @ self.fixed.features[chunk], factor)
            exponentials = candidates.divided(kept, chunk)
            session_grad.addcmul_(exponentials @ candidates.part(chunk), factor)
            scaled = (self.sessions * factor).to(candidates.dtype)
            rows = _product(exponentials.T, scaled, out=table_grad[1:][chunk])
            candidates.turn_gradient_(rows, chunk)
        return session_grad, table_grad, of_features


class _LeftOut:
    """Candidates that rows leave out, chunk by chunk.

    Args:
        ids: from 1, 0 on empty places, ``[B, S]``.
        chunks: of the candidates, one after another.
    """

    def __init__(self, ids: Tensor, chunks: list[slice]) -> None:
        rows, places = ids.nonzero(as_tuple=True)
        items, order = (ids[rows, places] - 1).sort()
        ends = torch.tensor([chunk.stop for chunk in chunks], device=ids.device)
        counts = torch.searchsorted(items, ends).diff(prepend=ends.new_zeros(1)).tolist()
        starts = torch.tensor([chunk.start for chunk in chunks], device=ids.device)
        of_chunk = items - starts.repeat_interleave(torch.tensor(counts, device=ids.device))
        self._parts = list(zip(rows[order].split(counts), of_chunk.split(counts), strict=True))

    def mask_(self, scores: Tensor, chunk: int) -> None:
        """Give them the lowest score there is, in place; scores of a chunk ``[B, C]``."""
        scores[self._parts[chunk]] = _LOWEST


def _farthest(fixed: FixedScores) -> float:
    """What a fixed score cannot exceed."""
    return float((fixed.weights.abs() @ fixed.features.abs().amax(0)).max())


def _product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """Matrix product, written where it belongs if precisions allow."""
    if left.dtype == out.dtype:
        return torch.mm(left, right, out=out)
    return out.copy_(left @ right)
