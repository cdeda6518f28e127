"""Edge scores and their gradients against autograd on all edges at once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.layers import edge_scores as module
from recbole_a2d.layers.edge_scores import edge_scores
from recbole_a2d.layers.edges import Edges


@pytest.mark.parametrize("chunk_bytes", [1, 80, 1 << 20])
def test_equals_autograd(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", chunk_bytes)
    torch.manual_seed(0)
    centers, neighbors = (
        torch.randn(4, 5, requires_grad=True),
        torch.randn(6, 5, requires_grad=True),
    )
    of_weight, attention = torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)
    center, neighbor = torch.randint(4, (17,)).sort().values, torch.randint(6, (17,))
    weights, upstream = torch.rand(17), torch.randn(17)
    edges = Edges(center, neighbor, weights, 4, 6)
    found = edge_scores(centers, neighbors, edges, of_weight, attention, 0.2)
    hidden = centers[center] + neighbors[neighbor] + weights.unsqueeze(1) * of_weight
    expected = F.leaky_relu(hidden, 0.2) @ attention
    torch.testing.assert_close(found, expected)
    leaves = (centers, neighbors, of_weight, attention)
    found_grads = torch.autograd.grad((found * upstream).sum(), leaves)
    expected_grads = torch.autograd.grad((expected * upstream).sum(), leaves)
    for one, other in zip(found_grads, expected_grads, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("count", [0, 17])
def test_centers_without_a_say(count: int) -> None:
    torch.manual_seed(0)
    nodes = [torch.randn(size, requires_grad=True) for size in ((6, 5), (5,), (5,))]
    neighbors, of_weight, attention = nodes
    neighbor, weights = torch.randint(6, (count,)), torch.rand(count)
    edges = Edges(torch.randint(4, (count,)).sort().values, neighbor, weights, 4, 6)
    found = edge_scores(None, neighbors, edges, of_weight, attention, 0.2)
    hidden = neighbors[neighbor] + weights.unsqueeze(1) * of_weight
    expected = F.leaky_relu(hidden, 0.2) @ attention
    torch.testing.assert_close(found, expected)
    upstream = torch.randn(count)
    found_grads = torch.autograd.grad((found * upstream).sum(), nodes)
    expected_grads = torch.autograd.grad((expected * upstream).sum(), nodes)
    for one, other in zip(found_grads, expected_grads, strict=True):
        torch.testing.assert_close(one, other)
