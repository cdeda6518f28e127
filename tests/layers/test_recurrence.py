"""The recurrence against torch's GRU."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbole_a2d.layers.recurrence import gated_recurrence


def test_equals_torch_gru_with_gradients() -> None:
    torch.manual_seed(0)
    gru, values = nn.GRU(5, 4, batch_first=True), torch.randn(3, 6, 5, requires_grad=True)
    weights = torch.randn(3, 6, 4)
    expected, _ = gru(values)
    leaves = [values, *gru.parameters()]
    wanted = torch.autograd.grad((expected * weights).sum(), leaves)
    inputs = F.linear(values, gru.weight_ih_l0, gru.bias_ih_l0).transpose(0, 1)
    found = gated_recurrence(inputs, gru.weight_hh_l0, gru.bias_hh_l0).transpose(0, 1)
    torch.testing.assert_close(found, expected)
    for grad, want in zip(
        torch.autograd.grad((found * weights).sum(), leaves), wanted, strict=True
    ):
        torch.testing.assert_close(grad, want, atol=1e-6, rtol=1e-4)


def test_bfloat16_stays_near_float32() -> None:
    torch.manual_seed(0)
    inputs, weight, bias = torch.randn(5, 64, 48), 0.3 * torch.randn(48, 16), torch.zeros(48)
    exact = gated_recurrence(inputs, weight, bias)
    with torch.autocast("cpu", torch.bfloat16):
        fast = gated_recurrence(inputs, weight, bias)
    assert fast.dtype == torch.float32
    assert (fast - exact).norm().item() == pytest.approx(0, abs=0.02 * exact.norm().item())
