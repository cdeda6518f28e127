"""The best of several heads, against loops over nodes and edges and against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_a2d.layers.edges import Edges
from recbole_a2d.layers.strongest_head import Arrival, Sender, strongest_head

HEADS, NODES, SOURCES, SIZE = 3, 4, 5, 6
STEPS = [
    [(3, 2), (0, 0), (1, 0), (4, 0), (3, 0)],
    [(0, 3), (0, 2), (2, 3)],
    [(1, 1)],
]
"""Edges of three kinds, from a source to a node."""


def leaves() -> list[Tensor]:
    """A bias, two transforms, and vectors and edges' weights of three kinds."""
    torch.manual_seed(0)
    shapes = [(HEADS, SIZE), (HEADS, SIZE, SIZE), (HEADS, SIZE, SIZE)]
    for steps in STEPS:
        shapes += [(SOURCES, SIZE), (HEADS, len(steps))]
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def in_order(steps: list[tuple[int, int]]) -> tuple[Edges, list[int]]:
    """Edges, and which of the steps each of them is."""
    source, target = (torch.tensor(ends) for ends in zip(*steps, strict=True))
    order = target.argsort(stable=True)
    edges = Edges.in_any_order(target, source, torch.ones(len(steps)), NODES, SOURCES)
    return edges, order.tolist()


def fast(bias: Tensor, one: Tensor, other: Tensor, *kinds: Tensor) -> Tensor:
    arrivals = []
    for steps, vectors, weights in zip(STEPS, kinds[::2], kinds[1::2], strict=True):
        edges, order = in_order(steps)
        arrivals.append(Arrival(edges, vectors, weights[:, order]))
    return strongest_head([Sender(one, arrivals[:2]), Sender(other, arrivals[2:])], bias, NODES)


def plain(bias: Tensor, one: Tensor, other: Tensor, *kinds: Tensor) -> Tensor:
    transforms, nodes = [one, one, other], []
    for node in range(NODES):
        heads = []
        for head in range(HEADS):
            total = bias[head]
            for kind, (steps, transform) in enumerate(zip(STEPS, transforms, strict=True)):
                vectors, weights = kinds[2 * kind : 2 * kind + 2]
                for edge, (source, target) in enumerate(steps):
                    if target == node:
                        total = total + weights[head, edge] * (vectors[source] @ transform[head])
            heads.append(total)
        nodes.append(torch.stack(heads).amax(0))
    return torch.stack(nodes)


def test_values_and_gradients() -> None:
    ours, upstream = leaves(), torch.randn(NODES, SIZE)
    twins = [leaf.detach().clone().requires_grad_() for leaf in ours]
    found, expected = fast(*ours), plain(*twins)
    torch.testing.assert_close(found, expected)
    found.backward(upstream)
    expected.backward(upstream)
    for leaf, twin in zip(ours, twins, strict=True):
        torch.testing.assert_close(leaf.grad, twin.grad, rtol=1e-4, atol=1e-5)


def test_a_tie_is_won_by_the_earlier_head() -> None:
    bias = torch.tensor([[1.0], [2.0], [2.0]], requires_grad=True)
    strongest_head([], bias, count=2).sum().backward()
    assert bias.grad is not None
    assert bias.grad.flatten().tolist() == [0, 2, 0]


@pytest.mark.parametrize("count", [0, 2])
def test_no_edges(count: int) -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    vectors, transform = torch.randn(SOURCES, SIZE), torch.randn(HEADS, SIZE, SIZE)
    vectors, transform = vectors.requires_grad_(), transform.requires_grad_()
    edges = Edges.in_any_order(nothing, nothing, torch.ones(0), count, SOURCES)
    sender = Sender(transform, [Arrival(edges, vectors, torch.zeros(HEADS, 0))])
    bias = torch.randn(HEADS, SIZE)
    result = strongest_head([sender], bias, count)
    torch.testing.assert_close(result, bias.amax(0).expand(count, -1))
    result.sum().backward()
    for leaf in (vectors, transform):
        assert leaf.grad is not None
        assert not leaf.grad.any()
