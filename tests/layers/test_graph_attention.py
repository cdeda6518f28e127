"""Graph attention, node by node."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.graph_attention import GraphAttention, with_self_loops


def naive(layer: GraphAttention, vectors: Tensor, edges: dict[int, dict[int, float]]) -> Tensor:
    """Eq. 3-4 with loops; ``edges[i][j]`` is the weight of neighbour j of node i."""
    out = []
    for node, around in edges.items():
        everyone = [(node, 1.0), *around.items()]
        scores = []
        for other, weight in everyone:
            hidden = layer.score_center.weight @ vectors[node]
            hidden = hidden + layer.score_neighbor.weight @ vectors[other]
            hidden = hidden + weight * layer.score_edge
            scores.append(layer.score.weight[0] @ F.leaky_relu(hidden, 0.2))
        attention = torch.softmax(torch.stack(scores), dim=0)
        mixed = sum(a * vectors[other] for a, (other, _) in zip(attention, everyone, strict=True))
        out.append(layer.value.weight @ mixed)
    return torch.stack(out)


EDGES = {0: {1: 0.75, 2: 0.25}, 1: {}, 2: {0: 1.0}, 3: {1: 0.2, 0: 0.8}}


def layer_and_vectors() -> tuple[GraphAttention, Tensor]:
    torch.manual_seed(1)
    return GraphAttention(6), torch.randn(4, 6)


def test_neighbour_table() -> None:
    layer, vectors = layer_and_vectors()
    neighbors = torch.tensor([[1, 2], [0, 0], [0, 0], [1, 0]])
    weights = torch.tensor([[0.75, 0.25], [0.0, 0.0], [1.0, 0.0], [0.2, 0.8]])
    found = layer(vectors, torch.arange(4), neighbors, weights)
    torch.testing.assert_close(found, naive(layer, vectors, EDGES))


def test_edge_list() -> None:
    layer, vectors = layer_and_vectors()
    triples = [(i, j, w) for i, around in EDGES.items() for j, w in around.items()]
    source, target, weights = (torch.tensor(column) for column in zip(*triples, strict=True))
    found = layer.forward_edges(vectors, with_self_loops(source, target, weights, 4))
    torch.testing.assert_close(found, naive(layer, vectors, EDGES))


def test_self_transition_counts_beside_the_self_loop() -> None:
    layer, vectors = layer_and_vectors()
    itself = torch.tensor([0]), torch.tensor([0]), torch.tensor([0.5])
    found = layer.forward_edges(vectors[:1], with_self_loops(*itself, 1))
    # Both edges lead to the node itself, so whatever their weights, the mix is the node.
    torch.testing.assert_close(found[0], layer.value.weight @ vectors[0])
