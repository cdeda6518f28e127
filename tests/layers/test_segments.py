"""Segment and mask arithmetic against loops over the segments."""

from __future__ import annotations

import torch

from recbole_a2d.layers.segments import (
    masked_softmax,
    mix_rows,
    segment_mean,
    segment_softmax,
    segment_sum,
    take,
)

SEGMENT = torch.tensor([0, 0, 2, 2, 2, 4])
COUNT = 5


def members(segment: int) -> torch.Tensor:
    return segment == SEGMENT


def test_segment_sum_and_mean() -> None:
    values = torch.randn(6, 3)
    total, mean = segment_sum(values, SEGMENT, COUNT), segment_mean(values, SEGMENT, COUNT)
    for s in range(COUNT):
        torch.testing.assert_close(total[s], values[members(s)].sum(0))
        expected = values[members(s)].mean(0) if members(s).any() else torch.zeros(3)
        torch.testing.assert_close(mean[s], expected)


def test_segment_softmax() -> None:
    scores = torch.randn(6, 2) * 30
    weights = segment_softmax(scores, SEGMENT, COUNT)
    for s in (0, 2, 4):
        torch.testing.assert_close(weights[members(s)], scores[members(s)].softmax(0))
    flat = segment_softmax(scores[:, 0], SEGMENT, COUNT)
    torch.testing.assert_close(flat, weights[:, 0])


def test_segment_softmax_gradient() -> None:
    scores = torch.randn(6, dtype=torch.float32, requires_grad=True)
    chosen = torch.randn(6)
    (segment_softmax(scores, SEGMENT, COUNT) * chosen).sum().backward()
    twin = scores.detach().clone().requires_grad_()
    parts = [twin[members(s)].softmax(0) @ chosen[members(s)] for s in (0, 2, 4)]
    torch.stack(parts).sum().backward()
    torch.testing.assert_close(scores.grad, twin.grad)


def test_mixing() -> None:
    vectors, source, weights = torch.randn(7, 3), torch.tensor([1, 1, 6, 0, 3, 2]), torch.randn(6)
    rows = mix_rows(vectors, source.view(2, 3), weights.view(2, 3))
    expected = (vectors[source] * weights.unsqueeze(1)).view(2, 3, 3).sum(1)
    torch.testing.assert_close(rows, expected)
    assert torch.equal(take(vectors, source.view(2, 3)), vectors[source.view(2, 3)])


def test_masked_softmax() -> None:
    scores = torch.tensor([[1.0, 2.0, torch.inf], [5.0, 5.0, 5.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    weights = masked_softmax(scores, mask)
    torch.testing.assert_close(weights[0, :2], torch.tensor([1.0, 2.0]).softmax(0))
    assert weights[0, 2] == 0
    assert (weights[1] == 0).all()
