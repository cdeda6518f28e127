"""Atten-Mixer's queries and pooled attention against loops from the formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.layers.level_pooling import (
    LevelAttention,
    LevelQueries,
    _power_sum,
    last_clicks,
)

DIM, HEADS, LEVELS, POWER = 8, 2, 3, 4.0
LENGTHS = torch.tensor([5, 1, 3])


@pytest.fixture
def clicks() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 5, DIM)


def test_last_clicks(clicks: torch.Tensor) -> None:
    got = last_clicks(clicks, torch.tensor([4, 2, 0]), 3)
    zero = torch.zeros(DIM)
    torch.testing.assert_close(got[0], clicks[0, [3, 2, 1]])
    torch.testing.assert_close(got[1], torch.stack([clicks[1, 1], clicks[1, 0], zero]))
    torch.testing.assert_close(got[2], torch.zeros(3, DIM))


def test_queries_equal_the_loops(clicks: torch.Tensor) -> None:
    layer = LevelQueries(DIM, LEVELS)
    got = layer(clicks, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        queries = []
        for size, linear in enumerate(layer.linears, start=1):
            places = [length - 1 - back for back in range(size)]
            parts = [clicks[row, p] if p >= 0 else torch.zeros(DIM) for p in places]
            queries.append(linear(torch.cat(parts)))
        for feature in range(DIM):
            norm = math.sqrt(sum(query[feature].item() ** 2 for query in queries))
            expected = torch.stack([query[feature] / norm for query in queries])
            torch.testing.assert_close(got[row, :, feature], expected, rtol=1e-4, atol=1e-5)


def plain_weights(scores: torch.Tensor, length: int, counted: int) -> torch.Tensor:
    """Weights of one head from ``scores [K, T]``; the first softmax runs over ``counted``."""
    levels = []
    for level in range(len(scores)):
        logits = [2 / (1 + math.exp(-float(scores[level, t]))) for t in range(counted)]
        total = sum(math.exp(logit) for logit in logits)
        levels.append([math.exp(logit) / total for logit in logits])
    pooled = [sum(level[t] ** POWER for level in levels) ** (1 / POWER) for t in range(length)]
    total = sum(math.exp(2 * value) for value in pooled)
    return torch.tensor([math.exp(2 * value) / total for value in pooled])


def plain_output(
    layer: LevelAttention, values: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    size, out = DIM // HEADS, torch.zeros(DIM)
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        for t, weight in enumerate(weights[head]):
            out[part] += weight * values[t, part]
    return F.layer_norm(out, (DIM,), layer.norm.weight, layer.norm.bias, 1e-8)


def test_separate_heads_equal_the_loops(clicks: torch.Tensor) -> None:
    layer, queries = LevelAttention(DIM, HEADS, POWER, 0.5).eval(), torch.randn(3, LEVELS, DIM)
    size = DIM // HEADS
    with torch.no_grad():
        got = layer(queries, clicks, LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            query, key = layer.query(queries[row]), layer.key(clicks[row, :length])
            weights = []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                weights.append(plain_weights(query[:, part] @ key[:, part].T, length, length))
            expected = plain_output(layer, layer.value(clicks[row]), torch.stack(weights))
            torch.testing.assert_close(got[row], expected, rtol=1e-4, atol=1e-5)


def test_interleaved_heads_equal_the_loops(clicks: torch.Tensor) -> None:
    """A head reads the flattened row's stretch, cut anew into as many keys as there are places."""
    padded, size = 6, DIM // HEADS
    layer = LevelAttention(DIM, HEADS, POWER, 0.5, padded_length=padded).eval()
    queries = torch.randn(3, LEVELS, DIM)
    with torch.no_grad():
        masked = clicks * (torch.arange(5) < LENGTHS.unsqueeze(1)).unsqueeze(2)
        got = layer(queries, masked, LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            full = torch.cat([masked[row], torch.zeros(padded - 5, DIM)])
            flat_query = layer.query(queries[row]).flatten().tolist()
            flat_key = layer.key(full).flatten().tolist()
            weights = []
            for head in range(HEADS):
                query = torch.tensor(flat_query[head * LEVELS * size : (head + 1) * LEVELS * size])
                key = torch.tensor(flat_key[head * padded * size : (head + 1) * padded * size])
                scores = query.view(LEVELS, size) @ key.view(padded, size).T
                weights.append(plain_weights(scores, length, padded))
            expected = plain_output(layer, layer.value(full), torch.stack(weights))
            torch.testing.assert_close(got[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padded", [None, 6])
def test_empty_row_gives_the_bias_and_finite_gradients(padded: int | None) -> None:
    layer = LevelAttention(DIM, HEADS, POWER, 0.0, padded_length=padded)
    clicks = torch.randn(2, 4, DIM, requires_grad=True)
    out = layer(torch.randn(2, LEVELS, DIM), clicks, torch.tensor([0, 2]))
    torch.testing.assert_close(out[0], layer.norm.bias)
    out.sum().backward()
    assert torch.isfinite(clicks.grad).all()


def test_heads_must_divide_the_size() -> None:
    with pytest.raises(ValueError, match="no multiple of 3"):
        LevelAttention(8, 3, 4.0, 0.0)


@pytest.mark.parametrize("power", [1.0, 4.0, 20.0, 40.0])
def test_large_powers_keep_the_levels_apart(power: float) -> None:
    """Of fifty clicks each has a small weight, whose high powers float32 cannot hold."""
    torch.manual_seed(0)
    levels = torch.rand(2, 3, 4, 50).softmax(3).requires_grad_()
    exact = levels.detach().double().requires_grad_()
    found, expected = _power_sum(levels, power), exact.pow(power).sum(2).pow(1 / power)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    weights = torch.rand(2, 3, 50)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(levels.grad.double(), exact.grad, rtol=1e-4, atol=1e-7)
