"""The chunked softmax loss against autograd's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers import log_partition
from recbole_a2d.layers.full_softmax import all_scores, full_softmax_loss, softmax_bce_loss
from recbole_a2d.layers.log_partition import FixedScores, log_sums


def example(rows: int = 40, items: int = 30, dim: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    sessions = torch.randn(rows, dim, requires_grad=True)
    table = torch.randn(items + 1, dim, requires_grad=True)
    return sessions, table, torch.randint(1, items + 1, (rows,))


def gradients(loss: Tensor, *leaves: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(3 * loss, leaves))


def assert_like_cross_entropy(
    sessions: Tensor, table: Tensor, targets: Tensor, *, unit_items: bool, atol: float, rtol: float
) -> None:
    """Loss and gradients are those of torch's own cross-entropy."""
    candidates = F.normalize(table[1:], dim=1) if unit_items else table[1:]
    plain = F.cross_entropy(sessions @ candidates.T, targets - 1)
    fast = full_softmax_loss(sessions, table, targets, unit_items=unit_items)
    torch.testing.assert_close(fast, plain)
    expected = gradients(plain, sessions, table)
    for found, wanted in zip(gradients(fast, sessions, table), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=atol, rtol=rtol)


ROWS = [5, 40]
"""Fewer and more than the vectors' dimension of 8: what is divided by lengths depends on it."""


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 30])
def test_equals_cross_entropy(chunk_bytes: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_partition, "_CHUNK_BYTES", chunk_bytes)
    assert_like_cross_entropy(*example(rows), unit_items=False, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("rows", ROWS)
def test_unit_items_are_normalized_ones(rows: int) -> None:
    assert_like_cross_entropy(*example(rows), unit_items=True, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("unit_items", [False, True])
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 30])
def test_scores_far_apart(
    chunk_bytes: int, unit_items: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_partition, "_CHUNK_BYTES", chunk_bytes)
    sessions, table, targets = example(rows, items=300)
    large = (30 * sessions).detach().requires_grad_()
    assert_like_cross_entropy(large, table, targets, unit_items=unit_items, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("length", [39.0, 41.0])
@pytest.mark.parametrize("unit_items", [False, True])
def test_high_scores_of_all_items(unit_items: bool, length: float) -> None:
    torch.manual_seed(0)
    # unit vectors nearly alike: every score is about as large as the session's vector is long
    table = F.normalize(1 + 0.05 * torch.randn(31, 8), dim=1).requires_grad_()
    sessions = (length * F.normalize(torch.ones(40, 8), dim=1)).requires_grad_()
    targets = torch.randint(1, 31, (40,))
    assert_like_cross_entropy(sessions, table, targets, unit_items=unit_items, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("unit_items", [False, True])
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 30])
@pytest.mark.parametrize("size", [1.0, 50.0])
def test_fixed_scores_are_added(
    size: float, chunk_bytes: int, unit_items: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones, and some far beyond what float32 can take the exponential of."""
    monkeypatch.setattr(log_partition, "_CHUNK_BYTES", chunk_bytes)
    sessions, table, targets = example(rows, items=300)
    weights = (size * torch.randn(rows, 3)).requires_grad_()
    features = torch.rand(301, 3)
    candidates = F.normalize(table[1:], dim=1) if unit_items else table[1:]
    scores = sessions @ candidates.T + weights @ features[1:].T
    plain = F.cross_entropy(scores, targets - 1)
    fixed = FixedScores(weights, features)
    fast = full_softmax_loss(sessions, table, targets, unit_items=unit_items, fixed=fixed)
    torch.testing.assert_close(fast, plain)
    leaves = sessions, table, weights
    for found, wanted in zip(gradients(fast, *leaves), gradients(plain, *leaves), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def test_pad_gets_no_gradient() -> None:
    sessions, table, targets = example()
    (grad,) = gradients(full_softmax_loss(sessions, table, targets), table)
    assert not grad[0].any()


@pytest.mark.parametrize("unit_items", [False, True])
@pytest.mark.parametrize("rows", [24, 64])
def test_bfloat16_stays_near_float32(rows: int, unit_items: bool) -> None:
    sessions, table, targets = example(rows, items=500, dim=32)
    exact = full_softmax_loss(sessions, table, targets, unit_items=unit_items)
    with torch.autocast("cpu", torch.bfloat16):
        fast = full_softmax_loss(sessions, table, targets, unit_items=unit_items)
    assert fast.item() == pytest.approx(exact.item(), rel=1e-2)
    assert fast.item() != exact.item(), "not computed in bfloat16"
    for found, wanted in zip(
        gradients(fast, sessions, table), gradients(exact, sessions, table), strict=True
    ):
        assert (found - wanted).norm() < 0.02 * wanted.norm()


def test_scores_are_float32_under_autocast() -> None:
    sessions, table, _ = example()
    with torch.autocast("cpu", torch.bfloat16):
        scores = all_scores(sessions, table)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, sessions @ table.T)


def test_bce_as_printed() -> None:
    sessions, table, targets = example(rows=3, items=4)
    p = torch.softmax(sessions.detach() @ table.detach()[1:].T, dim=1)
    expected = 0.0
    for row, target in enumerate(targets.tolist()):
        for item in range(4):
            expected -= float(torch.log(p[row, item] if item == target - 1 else 1 - p[row, item]))
    assert softmax_bce_loss(sessions, table, targets).item() == pytest.approx(
        expected / 3, rel=1e-4
    )


def test_log_sums_of_any_size() -> None:
    torch.manual_seed(0)
    shift = torch.tensor([[0.0], [1000.0], [-1000.0], [-60.0]])
    scores = 3 * torch.randn(4, 50) + shift
    scores[:, 0] = 1e9  # the pad's
    expected = scores[:, 1:].double().exp().sum(1).log()
    expected[1:3] = (scores[1:3, 1:] - shift[1:3]).double().exp().sum(1).log() + shift[1:3, 0]
    torch.testing.assert_close(log_sums(scores).double(), expected, rtol=1e-6, atol=1e-5)
    scores[2, 7] = torch.nan
    assert log_sums(scores).isnan().tolist() == [False, False, True, False]


@pytest.mark.parametrize("dim", [3, 8])
def test_a_zero_vector_among_cosines(dim: int) -> None:
    torch.manual_seed(0)
    sessions = torch.randn(5, dim, requires_grad=True)
    table = torch.randn(9, dim).index_fill(0, torch.tensor([0, 4]), 0.0).requires_grad_()
    targets = torch.tensor([1, 8, 3, 4, 2])
    loss = full_softmax_loss(sessions, table, targets, unit_items=True)
    expected = F.cross_entropy(sessions @ F.normalize(table, dim=1)[1:].T, targets - 1)
    torch.testing.assert_close(loss, expected)
    (of_sessions, of_table), wanted = (
        torch.autograd.grad(value, [sessions, table]) for value in (loss, expected)
    )
    torch.testing.assert_close(of_sessions, wanted[0])
    others = [row for row in range(9) if row != 4]
    torch.testing.assert_close(of_table[others], wanted[1][others])
    assert not of_table[4].any()


@pytest.mark.parametrize("rows", [2, 20])
def test_sessions_that_lie_apart_in_memory(rows: int) -> None:
    torch.manual_seed(0)
    sessions, table = torch.randn(8, rows).T, torch.randn(20, 8)
    targets, grads = torch.randint(1, 20, (rows,)), []
    for given in (sessions, sessions.contiguous()):
        leaf = table.clone().requires_grad_()
        full_softmax_loss(given, leaf, targets, unit_items=True).backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[0], grads[1])
