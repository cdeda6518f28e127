"""The typed attention against its formula, edge by edge."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from recbole_a2d.layers.session_graph import build_session_graph
from recbole_a2d.layers.typed_graph_attention import TypedGraphAttention


def test_against_plain_loops() -> None:
    torch.manual_seed(0)
    graph = build_session_graph(torch.tensor([[3, 5, 3, 9, 9], [4, 4, 0, 0, 0], [0, 0, 0, 0, 0]]))
    types = graph.edge_types()
    layer = TypedGraphAttention(6)
    nodes = torch.randn(3, 3, 6)
    result = layer(nodes, types)
    for b in range(3):
        for i in range(3):
            edges = [j for j in range(3) if types[b, i, j] > 0]
            if not edges:
                assert (result[b, i] == 0).all()
                continue
            scores = [
                F.leaky_relu(
                    layer.type_vectors[types[b, i, j] - 1] @ (nodes[b, i] * nodes[b, j]), 0.2
                )
                for j in edges
            ]
            weights = torch.stack(scores).softmax(0)
            expected = sum(w * nodes[b, j] for w, j in zip(weights, edges, strict=True))
            torch.testing.assert_close(result[b, i], expected, rtol=1e-4, atol=1e-6)


def test_every_type_has_its_own_vector() -> None:
    torch.manual_seed(0)
    graph = build_session_graph(torch.tensor([[1, 2, 1, 3]]))
    layer, nodes = TypedGraphAttention(4), torch.randn(1, 3, 4)
    layer(nodes, graph.edge_types()).pow(2).sum().backward()
    assert layer.type_vectors.grad is not None
    assert (layer.type_vectors.grad.abs().sum(1) > 0).all()


def test_pad_nodes_change_nothing() -> None:
    torch.manual_seed(0)
    layer, nodes = TypedGraphAttention(4), torch.randn(1, 2, 4)
    types = build_session_graph(torch.tensor([[1, 2]])).edge_types()
    wide = F.pad(types, (0, 2, 0, 2))
    padded = torch.cat([nodes, torch.full((1, 2, 4), 1e3)], dim=1)
    torch.testing.assert_close(layer(padded, wide)[:, :2], layer(nodes, types))
