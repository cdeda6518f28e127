"""Entmax over the true places alone, whatever their scores."""

from __future__ import annotations

import pytest
import torch
from entmax import entmax15, entmax_bisect

from recbole_a2d.layers.adaptive_entmax import masked_entmax

ALPHAS = [1.5, 1.3]


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("shift", [0.0, -11_000.0, 11_000.0])
def test_equals_entmax_of_the_true_places(alpha: float, shift: float) -> None:
    torch.manual_seed(0)
    scores, lengths = 3 * torch.randn(6, 5), [5, 1, 3, 4, 2, 5]
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    found = masked_entmax(scores + shift, mask, alpha)
    for row, length in enumerate(lengths):
        alone = scores[row : row + 1, :length]
        expected = entmax15(alone) if alpha == 1.5 else entmax_bisect(alone, alpha)
        torch.testing.assert_close(found[row : row + 1, :length], expected, rtol=0, atol=2e-3)
        assert not found[row, length:].any()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_pads_get_no_weight_and_no_gradient(alpha: float) -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    weights = masked_entmax(scores, mask, alpha)
    assert weights.sum(1).tolist() == pytest.approx([1, 0], abs=1e-5)
    (weights * torch.randn(2, 3)).sum().backward()
    assert scores.grad is not None and not scores.grad[~mask].any()


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_what_is_no_number_is_told_in_its_row(alpha: float, broken: float) -> None:
    scores, mask = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)
    scores[0, 1] = broken
    weights = masked_entmax(scores, mask, alpha)
    assert weights[0].isnan().all() and weights[1].isfinite().all()
