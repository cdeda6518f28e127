"""The infomax task against loops over nodes and neighbours."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.layers.graph_infomax import (
    GraphInfomax,
    NeighborLists,
    fitted_vectors,
    shuffled_nodes,
)

NODES, DIM = 9, 5
SOURCE = np.array([1, 2, 2, 5, 3, 3, 8])
TARGET = np.array([2, 1, 3, 4, 3, 8, 7])


@pytest.fixture
def graph() -> NeighborLists:
    return NeighborLists.from_edges(SOURCE, TARGET, NODES)


def plain_neighbors(node: int) -> set[int]:
    pairs = [*zip(SOURCE.tolist(), TARGET.tolist(), strict=True)]
    return {node} | {b for a, b in pairs if a == node} | {a for a, b in pairs if b == node}


def plain_vectors(layer: GraphInfomax, features: torch.Tensor) -> torch.Tensor:
    sums = [sum(features[u] for u in plain_neighbors(v)) for v in range(NODES)]
    mapped = torch.stack(sums) @ layer.linear.weight.T
    return torch.tanh(F.layer_norm(mapped, (DIM,), layer.norm.weight, layer.norm.bias, 1e-8))


def plain_loss(layer: GraphInfomax, features: torch.Tensor, nodes: list[int]) -> torch.Tensor:
    true, corrupted = plain_vectors(layer, features[0]), plain_vectors(layer, features[1])
    summary = torch.sigmoid(torch.stack([true[v] for v in nodes]).mean(0))
    loss = torch.tensor(0.0)
    for vectors, label in ((true, 1.0), (corrupted, 0.0)):
        for v in nodes:
            logit = summary @ layer.discriminator.weight @ vectors[v]
            loss += F.binary_cross_entropy_with_logits(logit, torch.tensor(label))
    return loss / (2 * len(nodes))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_neighbor_lists_hold_each_edge_once_both_ways(edges: list[tuple[int, int]]) -> None:
    source, target = (np.array([e[i] for e in edges], dtype=np.int64) for i in (0, 1))
    lists = NeighborLists.from_edges(source, target, 7)
    for node in range(7):
        got = lists.neighbors[lists.offsets[node] : lists.offsets[node + 1]].tolist()
        both = {b for a, b in edges if a == node} | {a for a, b in edges if b == node}
        assert sorted(got) == sorted(both | {node})


def test_neighbors_of_some_nodes(graph: NeighborLists) -> None:
    nodes = torch.tensor([8, 0, 2])
    neighbors, starts = graph.of(nodes)
    ends = [*starts.tolist()[1:], len(neighbors)]
    for node, start, end in zip(nodes.tolist(), starts.tolist(), ends, strict=True):
        assert set(neighbors[start:end].tolist()) == plain_neighbors(node)


def test_vectors_equal_the_loops(graph: NeighborLists) -> None:
    layer, features = GraphInfomax(DIM), torch.randn(NODES, DIM)
    nodes = torch.tensor([3, 3, 0, 7])
    got = layer.encode(graph, features, nodes)
    torch.testing.assert_close(got, plain_vectors(layer, features)[nodes])


@pytest.mark.parametrize("nodes", [list(range(1, NODES)), [2, 5, 8]])
def test_loss_equals_the_loops(graph: NeighborLists, nodes: list[int]) -> None:
    layer, features = GraphInfomax(DIM), torch.randn(NODES, DIM)
    shuffle = shuffled_nodes(NODES, torch.device("cpu"))
    got = layer(graph, features, torch.tensor(nodes), shuffle)
    expected = plain_loss(layer, torch.stack([features, features[shuffle]]), nodes)
    torch.testing.assert_close(got, expected)


def test_feature_gradients_equal_those_of_the_loops(graph: NeighborLists) -> None:
    layer, nodes = GraphInfomax(DIM), [1, 4, 6]
    features = torch.randn(NODES, DIM, requires_grad=True)
    twin = features.detach().clone().requires_grad_()
    shuffle = torch.tensor([0, 3, 1, 2, 8, 4, 5, 6, 7])
    layer(graph, features, torch.tensor(nodes), shuffle).backward()
    plain_loss(layer, torch.stack([twin, twin[shuffle]]), nodes).backward()
    torch.testing.assert_close(features.grad, twin.grad, rtol=1e-4, atol=1e-6)


def test_shuffle_is_a_permutation_that_keeps_the_pad() -> None:
    shuffle = shuffled_nodes(50, torch.device("cpu"))
    assert shuffle[0] == 0
    assert sorted(shuffle.tolist()) == list(range(50))
    assert not torch.equal(shuffle, torch.arange(50))


def ring_fit(patience: int, steps: int = 200) -> tuple[GraphInfomax, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    around = np.arange(1, 41)
    graph = NeighborLists.from_edges(around, around % 40 + 1, 41)
    clusters = torch.randn(4, 16)[torch.arange(41) // 11]
    features = clusters + 0.1 * torch.randn(41, 16)
    infomax = GraphInfomax(16)
    options = {"steps": steps, "patience": patience, "learning_rate": 0.01}
    vectors = fitted_vectors(infomax, graph, features, **options)
    nodes, shuffle = torch.arange(1, 41), shuffled_nodes(41, torch.device("cpu"))
    with torch.no_grad():
        return infomax, vectors, infomax(graph, features, nodes, shuffle)


def test_fit_learns_to_tell_the_graphs_apart() -> None:
    _, vectors, loss = ring_fit(patience=30)
    assert vectors.shape == (40, 16)
    assert not vectors.requires_grad
    assert loss < 0.3  # guessing gives log 2 = 0.69


def test_fit_stops_when_patience_is_over_and_keeps_the_best_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.0, 1.0])
    infomax, seen = GraphInfomax(DIM), []

    def forward(*_: object) -> torch.Tensor:
        seen.append(infomax.linear.weight.detach().clone())
        slope = infomax.linear.weight.sum()
        return next(losses) + slope - slope.detach()

    monkeypatch.setattr(infomax, "forward", forward)
    graph = NeighborLists.from_edges(SOURCE, TARGET, NODES)
    features = torch.randn(NODES, DIM)
    fitted_vectors(infomax, graph, features, steps=5, patience=2, learning_rate=0.1)
    assert len(seen) == 4  # 2.5 and the second 2.0 are no better than the first 2.0
    assert torch.equal(infomax.linear.weight, seen[1])
    assert not torch.equal(seen[1], seen[3])
    assert all(weights.grad is None for weights in infomax.parameters())
