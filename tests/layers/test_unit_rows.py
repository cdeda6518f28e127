"""Unit rows against torch's normalize."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_what_is_no_number_is_not_taken_for_zero(broken: float) -> None:
    table = torch.randn(3, 4)
    table[0], table[2, 1] = 0, broken
    units = unit_rows(table)
    assert not units[0].any() and units[1].isfinite().all() and units[2].isnan().any()


def test_rows_that_lie_apart_in_memory() -> None:
    torch.manual_seed(0)
    table, weights = torch.randn(5, 11).T.requires_grad_(), torch.randn(5, 11).T
    found, expected = unit_rows(table), F.normalize(table, dim=1)
    torch.testing.assert_close(found, expected)
    (found_grad,) = torch.autograd.grad((found * weights).sum(), table)
    (expected_grad,) = torch.autograd.grad((expected * weights).sum(), table)
    torch.testing.assert_close(found_grad, expected_grad)


def test_no_rows() -> None:
    assert unit_rows(torch.zeros(0, 4)).shape == (0, 4)
