"""Sums along edges, against loops over the edges and autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbole_a2d.layers import edges as module
from recbole_a2d.layers.edges import Edges, mix_edges

CENTERS, NEIGHBORS, SIZE = 4, 5, 3
PAIRS = st.tuples(st.integers(0, CENTERS - 1), st.integers(0, NEIGHBORS - 1))


def some_edges(pairs: list[tuple[int, int]]) -> Edges:
    center, neighbor = torch.tensor(sorted(pairs)).unbind(1)
    return Edges(center, neighbor, torch.rand(len(pairs)), CENTERS, NEIGHBORS)


def by_loop(count: int, nodes: Tensor, carried: Tensor) -> Tensor:
    sums = torch.zeros(count, SIZE)
    for node, vector in zip(nodes.tolist(), carried, strict=True):
        sums[node] += vector
    return sums


@given(st.lists(PAIRS, min_size=1, max_size=30))
def test_sums_equal_loops(pairs: list[tuple[int, int]]) -> None:
    edges, weights = some_edges(pairs), torch.randn(len(pairs))
    carried, by_edge = torch.randn(len(pairs), SIZE), weights.unsqueeze(1)
    of_center, of_neighbor = torch.randn(CENTERS, SIZE), torch.randn(NEIGHBORS, SIZE)
    for found, count, nodes, each in (
        (edges.of_centers(carried, weights), CENTERS, edges.center, carried),
        (edges.of_neighbors(carried, weights), NEIGHBORS, edges.neighbor, carried),
        (
            edges.to_centers(of_neighbor, weights),
            CENTERS,
            edges.center,
            of_neighbor[edges.neighbor],
        ),
        (
            edges.to_neighbors(of_center, weights),
            NEIGHBORS,
            edges.neighbor,
            of_center[edges.center],
        ),
    ):
        torch.testing.assert_close(found, by_loop(count, nodes, by_edge * each))
    products = (of_center[edges.center] * of_neighbor[edges.neighbor]).sum(1)
    torch.testing.assert_close(edges.products(of_center, of_neighbor), products)


@given(st.lists(PAIRS, min_size=1, max_size=30))
def test_mixing_equals_autograd(pairs: list[tuple[int, int]]) -> None:
    edges = some_edges(pairs)
    leaves = [torch.randn(NEIGHBORS, SIZE), torch.randn(len(pairs))]
    vectors, weights = (leaf.requires_grad_() for leaf in leaves)
    carried = weights.unsqueeze(1) * vectors[edges.neighbor]
    expected = torch.zeros(CENTERS, SIZE).index_add(0, edges.center, carried)
    found, upstream = mix_edges(vectors, weights, edges), torch.randn(CENTERS, SIZE)
    torch.testing.assert_close(found, expected)
    pairs_of_grads = zip(
        torch.autograd.grad(found, (vectors, weights), upstream),
        torch.autograd.grad(expected, (vectors, weights), upstream),
        strict=True,
    )
    for one, other in pairs_of_grads:
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("in_16_bits", [0, 1 << 16])
def test_the_order_is_stable(in_16_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IN_16_BITS", in_16_bits)
    neighbor = torch.randint(300, (2000,))
    edges = Edges(torch.arange(2000), neighbor, torch.rand(2000), 2000, 300)
    assert edges.by_neighbor.tolist() == sorted(range(2000), key=lambda place: int(neighbor[place]))


@given(st.lists(PAIRS, min_size=1, max_size=30))
def test_edges_may_come_in_any_order(pairs: list[tuple[int, int]]) -> None:
    center, neighbor = torch.tensor(pairs).unbind(1)
    weights = torch.arange(len(pairs)).float()
    edges = Edges.in_any_order(center, neighbor, weights, CENTERS, NEIGHBORS)
    found = list(zip(edges.center.tolist(), edges.neighbor.tolist(), strict=True))
    assert found == sorted(pairs, key=lambda pair: pair[0])
    assert [pairs[int(place)] for place in edges.weights] == found


def test_a_known_order_is_taken() -> None:
    edges = some_edges([(0, 2), (1, 0), (1, 2), (3, 1)])
    known = Edges(
        edges.center, edges.neighbor, edges.weights, CENTERS, NEIGHBORS, edges.by_neighbor
    )
    assert known.by_neighbor is edges.by_neighbor
    assert edges.neighbor[edges.by_neighbor].tolist() == [0, 1, 2, 2]
