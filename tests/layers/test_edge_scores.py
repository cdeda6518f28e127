"""Edge scores and their gradients against autograd on all edges at once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.layers import edge_scores as module
from recbole_a2d.layers.edge_scores import edge_scores
from recbole_a2d.layers.edges import Edges


@pytest.mark.parametrize("chunk_bytes", [1, 80, 1 << 20])
@pytest.mark.parametrize("count", [0, 17])
@pytest.mark.parametrize("with_centers", [True, False])
def test_equals_autograd(
    with_centers: bool, count: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", chunk_bytes)
    torch.manual_seed(0)
    centers, neighbors, of_weight, attention = (
        torch.randn(size, requires_grad=True) for size in ((4, 5), (6, 5), (5,), (5,))
    )
    center, neighbor = torch.randint(4, (count,)).sort().values, torch.randint(6, (count,))
    weights, upstream = torch.rand(count), torch.randn(count)
    edges = Edges(center, neighbor, weights, 4, 6)
    given = centers if with_centers else None
    found = edge_scores(given, neighbors, edges, of_weight, attention, 0.2)
    hidden = neighbors[neighbor] + weights.unsqueeze(1) * of_weight
    if with_centers:
        hidden = hidden + centers[center]
    expected = F.leaky_relu(hidden, 0.2) @ attention
    torch.testing.assert_close(found, expected)
    leaves = [neighbors, of_weight, attention] + [centers] * with_centers
    found_grads = torch.autograd.grad((found * upstream).sum(), leaves)
    expected_grads = torch.autograd.grad((expected * upstream).sum(), leaves)
    for one, other in zip(found_grads, expected_grads, strict=True):
        torch.testing.assert_close(one, other)
