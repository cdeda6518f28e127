"""The mirror graph's parts against their formulas, node by node."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.layers.mirror import (
    AttributeAggregator,
    MirrorLayer,
    MirrorReadout,
    mirror_contrast,
)
from recbole_a2d.layers.session_graph import build_session_graph

DIM = 6


def plain_mirror(layer: AttributeAggregator, table: torch.Tensor, item: int, fellows: list[int]):
    if not fellows:
        return torch.zeros(DIM)
    w = torch.cat([layer.center.weight[0], layer.fellow.weight[0]])
    scores = [F.leaky_relu(w @ torch.cat([table[item], table[j]]), 0.2) for j in fellows]
    weights = torch.stack(scores).softmax(0)
    return sum(weight * table[j] for weight, j in zip(weights, fellows, strict=True))


def test_attribute_aggregator() -> None:
    torch.manual_seed(0)
    layer, table = AttributeAggregator(DIM), torch.randn(9, DIM)
    items = [3, 5, 8]
    first, second = [[4, 6], [7], []], [[6, 2], [], []]

    def tensors(lists: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        padded = torch.tensor([row + [0] * (2 - len(row)) for row in lists])
        return padded, padded > 0

    mixes, union = layer(table, torch.tensor(items), [tensors(first), tensors(second)])
    for u, item in enumerate(items):
        for mix, lists in ((mixes[0], first), (mixes[1], second)):
            expected = plain_mirror(layer, table, item, lists[u])
            torch.testing.assert_close(mix[u], expected, rtol=1e-4, atol=1e-6)
        both = plain_mirror(layer, table, item, first[u] + second[u])
        torch.testing.assert_close(union[u], both, rtol=1e-4, atol=1e-6)


def test_mirror_layer() -> None:
    torch.manual_seed(0)
    graph = build_session_graph(torch.tensor([[3, 5, 3, 9], [4, 6, 0, 0]]))
    layer, types, mask = MirrorLayer(DIM), graph.edge_types(), graph.node_mask
    nodes, mirror = torch.randn(2, 3, DIM), torch.randn(2, 3, DIM)
    new_nodes, new_mirror = layer(nodes, mirror, types, mask)
    local = layer.local(nodes, types)
    q1, k1 = layer.node_query.weight, layer.mirror_key.weight
    q2, k2 = layer.mirror_query.weight, layer.node_key.weight
    for b, size in enumerate((3, 2)):
        x = []
        for i in range(size):
            alpha = (q1 @ local[b, i]) @ (k1 @ mirror[b, i]) / math.sqrt(DIM)
            x.append(local[b, i] + alpha * (mirror[b, i] - local[b, i]))
            torch.testing.assert_close(new_nodes[b, i], x[i], rtol=1e-4, atol=1e-5)
        for i in range(size):
            scores = [(q2 @ mirror[b, i]) @ (k2 @ x[j]) / math.sqrt(DIM) for j in range(size)]
            weights = torch.stack(scores).softmax(0)
            expected = sum(weights[j] * mirror[b, j] for j in range(size))
            torch.testing.assert_close(new_mirror[b, i], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("last_click_weight", [0.0, 0.5])
def test_readout(last_click_weight: float) -> None:
    torch.manual_seed(0)
    layer = MirrorReadout(DIM, 5, last_click_weight)
    nodes, mirror = torch.randn(2, 3, DIM), torch.randn(2, 3, DIM)
    sizes = [3, 1]
    mask = torch.arange(3) < torch.tensor(sizes).unsqueeze(1)
    result = layer(nodes, mirror, mask)
    for b, size in enumerate(sizes):
        last, summary = nodes[b, 0], torch.zeros(DIM)
        for i in range(size):
            placed = nodes[b, i] + layer.position.weight[i]
            hidden = layer.node(placed) + layer.mirror(mirror[b, i]) + layer.last(last)
            summary = summary + layer.query.weight[0] @ torch.sigmoid(hidden) * placed
        gate = torch.zeros(DIM)
        if layer.gate is not None:
            gate = last_click_weight * torch.sigmoid(layer.gate(torch.cat([summary, last])))
        expected = gate * last + (1 - gate) * summary
        torch.testing.assert_close(result[b], expected, rtol=1e-4, atol=1e-5)


def test_contrast() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 3, DIM), torch.randn(2, 3, DIM)
    mask = torch.tensor([[True, False, True], [True, False, False]])
    expected = torch.tensor(0.0)
    for b in range(2):
        places = [i for i in range(3) if mask[b, i]]
        for i in places:
            scores = torch.stack([first[b, i] @ second[b, j] / 0.5 for j in places])
            expected = expected - scores.log_softmax(0)[places.index(i)]
    torch.testing.assert_close(mirror_contrast(first, second, mask, 0.5), expected / 2)
