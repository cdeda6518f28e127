"""Look-ups that share the gradient of the scores, against autograd's own."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.layers.item_vectors import ItemVectors


def test_two_look_ups_and_the_scores_as_autograd_has_them() -> None:
    torch.manual_seed(0)
    table = torch.randn(12, 4, requires_grad=True)
    first, second = torch.randint(12, (5, 3)), torch.randint(12, (5,))
    targets = torch.randint(1, 12, (5,))
    plain = F.embedding(first, table).mean(1) + F.embedding(second, table)
    (expected,) = torch.autograd.grad(F.cross_entropy(plain @ table[1:].T, targets - 1), table)
    vectors = ItemVectors(table)
    sessions = vectors.rows(first).mean(1) + vectors.rows(second)
    loss = full_softmax_loss(sessions, vectors.table, targets)
    torch.testing.assert_close(torch.autograd.grad(loss, table)[0], expected)


def test_look_ups_alone() -> None:
    table, index = torch.randn(6, 2, requires_grad=True), torch.tensor([[1, 1], [4, 0]])
    ItemVectors(table).rows(index).sum().backward()
    expected = torch.zeros(6, 2).index_add_(0, index.flatten(), torch.ones(4, 2))
    torch.testing.assert_close(table.grad, expected)
