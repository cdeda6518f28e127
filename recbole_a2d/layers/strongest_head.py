"""Sums along edges for several heads, each through its own matrix, and the best of the heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_a2d.layers.edges import Edges
from recbole_a2d.precision import large_products


class Arrival(NamedTuple):
    """What comes in along the edges of one kind.

    Attributes:
        edges: to the receiving nodes, their centers.
        vectors: of the nodes they come from, ``[N, D]``.
        weights: of the edges for each head, ``[heads, E]``.
    """

    edges: Edges
    vectors: Tensor
    weights: Tensor


class Sender(NamedTuple):
    """Arrivals that go through the same matrices.

    Attributes:
        transform: matrix of each head, ``[heads, D, D]``.
        arrivals: added up before they are multiplied.
    """

    transform: Tensor
    arrivals: list[Arrival]


def strongest_head(senders: list[Sender], bias: Tensor, count: int) -> Tensor:
    r"""The greatest of the heads in each component of each of ``count`` receiving nodes.

    .. math:: m_i = \max_h \bigl(b_h + \sum_s \bigl(\sum_{a \in s} \sum_{e : center(e) = i}
        w_{aeh}\, x_{a, neighbor(e)}\bigr) W_{sh}\bigr)

    One head after another, so that no array of heads x nodes x D is made; what the backward pass
    needs of the sums it makes again. Where two heads tie, the gradient goes to the earlier one.
    First-order gradients only.

    Shapes:
        bias ``[heads, D]`` -> ``[count, D]``, float32.
    """
    plan = [[arrival.edges for arrival in sender.arrivals] for sender in senders]
    tensors = [tensor for sender in senders for tensor in _tensors(sender)]
    strongest: Tensor = _StrongestHead.apply(plan, count, bias, *tensors)
    return strongest


def _tensors(sender: Sender) -> Iterator[Tensor]:
    yield sender.transform
    for arrival in sender.arrivals:
        yield arrival.vectors
        yield arrival.weights


def _senders(plan: list[list[Edges]], tensors: tuple[Tensor, ...]) -> Iterator[Sender]:
    """The senders whose edges and tensors these are."""
    rest = iter(tensors)
    for kinds in plan:
        transform = next(rest)
        yield Sender(transform, [Arrival(edges, next(rest), next(rest)) for edges in kinds])


class _StrongestHead(torch.autograd.Function):
    @staticmethod
    @large_products()
    def forward(
        ctx: Any, plan: list[list[Edges]], count: int, bias: Tensor, *tensors: Tensor
    ) -> Tensor:
        senders = list(_senders(plan, tensors))
        best = _head(senders, bias, 0, count)
        winner = torch.zeros_like(best)
        won = torch.empty_like(best)
        for head in range(1, len(bias)):
            here = _head(senders, bias, head, count)
            # a processor multiplies far faster than it fills in where a mask says so
            torch.maximum(winner, torch.gt(here, best, out=won).mul_(head), out=winner)
            torch.maximum(best, here, out=best)
        ctx.plan = plan
        ctx.save_for_backward(winner, bias, *tensors)
        return best

    @staticmethod
    @large_products()
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        winner, bias, *tensors = ctx.saved_tensors
        made = [torch.zeros_like(tensor) for tensor in tensors]
        bias_grad = torch.empty_like(bias)
        senders, totals = (list(_senders(ctx.plan, tuple(kind))) for kind in (tensors, made))
        for head in range(len(bias)):
            grad = torch.eq(winner, head, out=torch.empty_like(winner)).mul_(grads[0])
            torch.sum(grad, 0, out=bias_grad[head])
            for sender, total in zip(senders, totals, strict=True):
                _add_gradients(sender, total, head, grad)
        return None, None, bias_grad, *made


def _head(senders: list[Sender], bias: Tensor, head: int, count: int) -> Tensor:
    """What one head gives the nodes, ``[count, D]``."""
    result = bias[head].repeat(count, 1)
    for sender in senders:
        result.addmm_(_arrived(sender.arrivals, head), sender.transform[head])
    return result


def _arrived(arrivals: list[Arrival], head: int) -> Tensor:
    """What one head sums up before it multiplies, ``[count, D]``."""
    first, *others = (
        edges.to_centers(vectors, weights[head]) for edges, vectors, weights in arrivals
    )
    for other in others:
        first += other
    return first


def _add_gradients(sender: Sender, total: Sender, head: int, grad: Tensor) -> None:
    """Add one head's gradients to those of a sender's tensors; grad ``[count, D]``."""
    torch.mm(_arrived(sender.arrivals, head).T, grad, out=total.transform[head])
    back = grad @ sender.transform[head].T
    for (edges, vectors, weights), of_arrival in zip(sender.arrivals, total.arrivals, strict=True):
        of_arrival.vectors.add_(edges.to_neighbors(back, weights[head]))
        of_arrival.weights[head] = edges.products(back, vectors)
