"""Sums along edges against a loop over the edges and autograd."""

from __future__ import annotations

import pytest
import torch

from recbole_a2d.layers import edge_sums as layer
from recbole_a2d.layers.edge_sums import edge_sums

SOURCE = torch.tensor([3, 0, 1, 2, 3])
TARGET = torch.tensor([2, 0, 0, 0, 4])


def plain_sums(vectors: torch.Tensor, weights: torch.Tensor, count: int) -> torch.Tensor:
    sums = [torch.zeros(weights.shape[1], vectors.shape[1]) for _ in range(count)]
    for edge, (source, target) in enumerate(zip(SOURCE, TARGET, strict=True)):
        sums[target] = sums[target] + torch.outer(weights[edge], vectors[source])
    return torch.stack(sums)


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_sums_and_gradients(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "_CHUNK_BYTES", chunk)
    torch.manual_seed(0)
    leaves = [torch.randn(4, 3, requires_grad=True), torch.randn(5, 2, requires_grad=True)]
    twins = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    sums, expected = edge_sums(*leaves, SOURCE, TARGET, 6), plain_sums(*twins, 6)
    torch.testing.assert_close(sums, expected)
    assert (sums[5] == 0).all()
    direction = torch.randn_like(sums)
    (sums * direction).sum().backward()
    (expected * direction).sum().backward()
    for leaf, twin in zip(leaves, twins, strict=True):
        torch.testing.assert_close(leaf.grad, twin.grad)


def test_no_edges() -> None:
    vectors, nothing = torch.randn(4, 3, requires_grad=True), torch.zeros(0, dtype=torch.long)
    sums = edge_sums(vectors, torch.zeros(0, 2), nothing, nothing, 2)
    sums.sum().backward()
    assert (sums == 0).all()
    assert (vectors.grad == 0).all()
