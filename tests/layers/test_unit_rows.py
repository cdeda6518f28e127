"""Unit rows against torch's normalize."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from recbole_a2d.layers.unit_rows import unit_rows


def test_equals_normalize() -> None:
    torch.manual_seed(0)
    table, weights = torch.randn(11, 5, requires_grad=True), torch.randn(11, 5)
    found, expected = unit_rows(table), F.normalize(table, dim=1)
    torch.testing.assert_close(found, expected)
    (found_grad,) = torch.autograd.grad((found * weights).sum(), table)
    (expected_grad,) = torch.autograd.grad((expected * weights).sum(), table)
    torch.testing.assert_close(found_grad, expected_grad)


def test_a_zero_row_stays_zero() -> None:
    table = torch.zeros(2, 3, requires_grad=True)
    assert not unit_rows(table).any()
    unit_rows(table).sum().backward()
    assert torch.isfinite(table.grad).all()
