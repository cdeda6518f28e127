"""The adaptive sparse attention, session by session."""

from __future__ import annotations

import pytest
import torch
from entmax import entmax_bisect
from torch import Tensor

from recbole_a2d.layers.adaptive_entmax import AdaptiveSparsity
from recbole_a2d.layers.masking import prefix_mask
from recbole_a2d.layers.sparse_attention import SessionReader

LENGTHS = torch.tensor([4, 1, 2])


def reader(**changes: bool | int | float) -> SessionReader:
    torch.manual_seed(2)
    settings = {"categories": True, "adaptive": True, "position_count": 6, "dropout": 0.0}
    return SessionReader(6, **(settings | changes)).eval()  # type: ignore[arg-type]


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(3)
    clicks, values, categories = torch.randn(3, 4, 6), torch.randn(3, 4, 6), torch.randn(3, 6)
    return clicks, values, LENGTHS, prefix_mask(LENGTHS, 4), categories


def naive(layer: SessionReader, clicks: Tensor, values: Tensor, category: Tensor) -> Tensor:
    """Eq. 8-15 of one session without pads: clicks, values ``[T, D]``."""
    assert layer.position is not None and layer.features.category_mean is not None
    count = len(clicks)
    placed = clicks + torch.stack([layer.position.weight[count - step] for step in range(count)])
    shared = layer.features.last(placed[-1]) + layer.features.item_mean(placed.mean(0))
    shared = shared + layer.features.category_mean(category)
    seen = torch.sigmoid(layer.features.click(placed) + shared)
    query = torch.relu(layer.context.query[0](seen))
    attention = torch.softmax(query @ seen.T / 6**0.5, dim=1) @ seen
    refined = attention + layer.context.refine(attention)
    if layer.context.keep_input:
        refined = refined + seen
    refined = layer.context.norm(refined)
    scores = layer.readout.score(refined).squeeze(1)
    assert layer.readout.sparsity is not None
    alpha = layer.readout.sparsity(torch.cat([clicks[-1], category]).unsqueeze(0))
    weights = entmax_bisect(scores.unsqueeze(0), alpha, dim=1)[0]
    return weights @ values


@pytest.mark.parametrize("keep_input", [False, True])
def test_against_one_session_at_a_time(keep_input: bool) -> None:
    layer = reader(keep_input=keep_input)
    clicks, values, lengths, mask, categories = inputs()
    read = layer(clicks, values, lengths, mask, categories)
    for row, length in enumerate(lengths.tolist()):
        expected = naive(layer, clicks[row, :length], values[row, :length], categories[row])
        torch.testing.assert_close(read.session[row], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("adaptive", [True, False])
def test_weights_are_a_distribution_over_clicks(adaptive: bool) -> None:
    layer, (clicks, values, lengths, mask, categories) = (
        reader(adaptive=adaptive, keep_input=True),
        inputs(),
    )
    with torch.no_grad():
        layer.readout.score.weight.mul_(50)
    weights = layer(clicks, values, lengths, mask, categories).click_weights
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert not weights[~mask].any()
    assert (weights[0] == 0).any(), "steep scores must switch some clicks off"


def test_sparsity_is_the_sessions_own_and_stays_in_bounds() -> None:
    layer = AdaptiveSparsity(3)
    alpha = layer(torch.tensor([[0.0, 0, 0], [1.0, 2, 3], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]]))
    assert ((alpha >= 1.01) & (alpha <= 2.0)).all()
    assert alpha[0] != alpha[1]


def test_inspection_returns_both_attentions() -> None:
    layer, (clicks, values, lengths, mask, categories) = reader(), inputs()
    read = layer(clicks, values, lengths, mask, categories, inspect=True)
    assert read.alpha is not None and read.alpha.shape == (3, 1)
    assert read.context_weights is not None
    torch.testing.assert_close(read.context_weights.sum(-1), torch.ones(3, 4))
    assert not read.context_weights[1, :, 1:].any()
