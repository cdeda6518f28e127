"""Transformer halves against loops over rows, heads, queries and keys."""

import math

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.layers.masking import prefix_mask
from recbole_a2d.layers.self_attention import FeedForward, SelfAttention, readable

ROWS, WIDTH, DIM, HEADS = 3, 5, 8, 2
LENGTHS = torch.tensor([5, 1, 3])


def plain_attention(layer: SelfAttention, row: torch.Tensor, causal: bool) -> torch.Tensor:
    """Attention of one row without pads, ``[T, D]``."""
    query, key, value = layer.projection(row).split(DIM, dim=1)
    size, length = DIM // HEADS, len(row)
    mixed = torch.zeros(length, DIM)
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        for place in range(length):
            keys = range(place + 1 if causal else length)
            scores = [float(query[place, part] @ key[k, part]) / math.sqrt(size) for k in keys]
            total = sum(math.exp(score) for score in scores)
            for k, score in zip(keys, scores, strict=True):
                mixed[place, part] += math.exp(score) / total * value[k, part]
    if layer.output is not None:
        mixed = layer.output(mixed)
    return layer.norm(row + mixed)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("options", [{}, {"bias": False, "output": False, "eps": 1e-8}])
def test_attention_equals_the_loops(causal: bool, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    layer = SelfAttention(DIM, HEADS, 0.5, **options).eval()
    vectors = torch.randn(ROWS, WIDTH, DIM)
    with torch.no_grad():
        got = layer(vectors, readable(prefix_mask(LENGTHS, WIDTH), causal=causal))
        for row, length in enumerate(LENGTHS.tolist()):
            expected = plain_attention(layer, vectors[row, :length], causal)
            torch.testing.assert_close(got[row, :length], expected, rtol=1e-4, atol=1e-5)


def test_projections_have_the_asked_parts() -> None:
    layer = SelfAttention(DIM, HEADS, 0.0, bias=False, output=False)
    assert {name for name, _ in layer.named_parameters()} == {
        "projection.weight",
        "norm.weight",
        "norm.bias",
    }


def test_a_row_of_pads_is_finite() -> None:
    layer = SelfAttention(DIM, HEADS, 0.0)
    out = layer(torch.randn(1, 3, DIM), readable(torch.zeros(1, 3, dtype=torch.bool), causal=True))
    assert torch.isfinite(out).all()


def test_heads_must_divide_the_size() -> None:
    with pytest.raises(ValueError, match="no multiple of 3"):
        SelfAttention(8, 3, 0.0)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_feed_forward_equals_the_formula(activation: str) -> None:
    torch.manual_seed(0)
    layer = FeedForward(DIM, 6, 0.5, activation=activation, drop_hidden=True).eval()
    vectors = torch.randn(ROWS, WIDTH, DIM)
    hidden = vectors @ layer.expand.weight.T + layer.expand.bias
    hidden = {"relu": F.relu, "gelu": F.gelu}[activation](hidden)
    summed = vectors + hidden @ layer.contract.weight.T + layer.contract.bias
    centred = summed - summed.mean(-1, keepdim=True)
    expected = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt()
    torch.testing.assert_close(layer(vectors), expected, rtol=1e-4, atol=1e-5)


def test_readable_keys() -> None:
    mask = prefix_mask(torch.tensor([2]), 3)
    causal = [[True, False, False], [True, True, False], [True, True, False]]
    assert readable(mask, causal=True)[0].tolist() == causal
    assert readable(mask, causal=False)[0].tolist() == [[True, True, False]]
