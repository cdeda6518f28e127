"""Sparse importance of intents against a threshold found by plain bisection."""

import pytest
import torch

from recbole_a2d.layers.intent_selection import UNIFORM, IntentSelection
from recbole_a2d.layers.masking import prefix_mask

DIM = 6
LENGTHS = torch.tensor([5, 1, 3])


def plain_entmax(scores: list[float], alpha: float) -> list[float]:
    """Weights ``max(0, (alpha - 1) s - tau) ** (1 / (alpha - 1))`` whose sum is 1."""
    scaled = [(alpha - 1) * score for score in scores]

    def weights(tau: float) -> list[float]:
        return [max(0.0, s - tau) ** (1 / (alpha - 1)) for s in scaled]

    low, high = max(scaled) - 1, max(scaled)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(weights(middle)) >= 1 else (low, middle)
    return weights(low)


def strong(alpha: float | None) -> IntentSelection:
    torch.manual_seed(2)
    layer = IntentSelection(DIM, alpha)
    torch.nn.init.normal_(layer.importance.weight, std=1.5)
    return layer


@pytest.mark.parametrize("alpha", [1.2, 1.5, 2.0, None])
def test_weights_equal_the_plain_threshold(alpha: float | None) -> None:
    layer = strong(alpha)
    intents = torch.randn(3, 5, DIM)
    got = layer(intents, prefix_mask(LENGTHS, 5)).detach()
    for row, length in enumerate(LENGTHS.tolist()):
        whole = intents[row, 0]
        scores = [
            (layer.importance.weight[0] @ torch.cat([whole, intents[row, t]])).item()
            for t in range(length)
        ]
        own = alpha
        if layer.sparsity is not None:
            own = 1 + torch.sigmoid(layer.sparsity.linear(whole)).item()
        expected = torch.tensor(plain_entmax(scores, own) + [0.0] * (5 - length))
        torch.testing.assert_close(got[row], expected, rtol=1e-3, atol=1e-4)


def test_some_intents_are_exactly_zero_and_pads_always() -> None:
    weights = strong(1.5)(torch.randn(50, 5, DIM), prefix_mask(torch.full((50,), 4), 5))
    assert (weights[:, 4] == 0).all()
    assert 0 < (weights[:, :4] == 0).sum() < 200
    torch.testing.assert_close(weights.sum(1), torch.ones(50))


def test_uniform_prunes_nothing() -> None:
    weights = strong(UNIFORM)(torch.randn(1, 5, DIM), prefix_mask(torch.tensor([4]), 5))
    assert weights.tolist() == [[0.25, 0.25, 0.25, 0.25, 0.0]]


def test_learned_alpha_gets_a_gradient() -> None:
    layer = strong(None)
    weights = layer(torch.randn(4, 5, DIM), prefix_mask(torch.full((4,), 5), 5))
    weights.pow(2).sum().backward()
    assert layer.sparsity is not None
    assert layer.sparsity.linear.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("alpha", [1.0, 2.5, 0.0, -2.0])
def test_other_alphas_are_an_error(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        IntentSelection(DIM, alpha)
