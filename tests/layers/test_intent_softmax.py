"""Chunked scores and loss of several intents against the plain computation with autograd."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers import intent_softmax
from recbole_a2d.layers.intent_softmax import intent_blocks, intent_scores, intent_softmax_loss

ROWS, WIDTH, DIM, ITEMS = 7, 5, 6, 200


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intent_softmax, "_CHUNK_SCORES", 1)  # 64 items at a time: 4 chunks
    monkeypatch.setattr(intent_softmax, "_ROW_SCORES", 1)  # one row at a time
    monkeypatch.setattr(intent_softmax, "_ROWS", 2)  # rows of one count fall into several blocks


@pytest.fixture
def parts() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    kept = torch.rand(ROWS, WIDTH) < 0.5
    kept[:, 0] |= ~kept.any(dim=1)
    kept[2], kept[3] = True, torch.tensor([False, False, True, False, False])
    return torch.randn(ROWS, WIDTH, DIM), kept, torch.randn(ROWS, DIM), torch.randn(ITEMS, DIM)


def plain_scores(intents: Tensor, kept: Tensor, base: Tensor, table: Tensor) -> Tensor:
    single = (intents @ table.T).masked_fill(~kept.unsqueeze(2), -torch.inf)
    return single.amax(dim=1) + base @ table.T


def test_scores_equal_the_plain_computation(parts: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(intent_scores(*parts), plain_scores(*parts))


@pytest.mark.parametrize("factor", [1, 3])
def test_loss_and_gradients_equal_the_plain_computation(
    factor: int, parts: tuple[Tensor, ...]
) -> None:
    targets = torch.randint(1, ITEMS, (ROWS,))
    intents, kept, base, table = parts
    leaves = [t.clone().requires_grad_() for t in (intents, base, table)]
    twins = [t.clone().requires_grad_() for t in (intents, base, table)]
    loss = intent_softmax_loss(leaves[0], kept, leaves[1], leaves[2], targets)
    expected = F.cross_entropy(plain_scores(twins[0], kept, *twins[1:])[:, 1:], targets - 1)
    (factor * loss).backward()
    (factor * expected).backward()
    torch.testing.assert_close(loss, expected)
    for leaf, twin in zip(leaves, twins, strict=True):
        torch.testing.assert_close(leaf.grad, twin.grad, rtol=1e-4, atol=1e-6)
    assert leaves[2].grad[0].abs().sum() == 0


def test_gradients_are_handed_out_once(parts: tuple[Tensor, ...]) -> None:
    intents, kept, base, table = parts
    table = table.clone().requires_grad_()
    loss = intent_softmax_loss(intents, kept, base, table, torch.arange(1, ROWS + 1))
    loss.backward(retain_graph=True)
    # Anomaly detection, which importing RecBole turns on, would print where the loss was made.
    with (
        torch.autograd.set_detect_anomaly(False),
        pytest.raises(RuntimeError, match="one backward"),
    ):
        loss.backward()


def test_dropped_intents_get_no_gradient(parts: tuple[Tensor, ...]) -> None:
    intents, kept, base, table = parts
    intents = intents.clone().requires_grad_()
    intent_softmax_loss(intents, kept, base, table, torch.arange(1, ROWS + 1)).backward()
    assert intents.grad[~kept].abs().sum() == 0
    assert (intents.grad[kept].abs().sum(dim=1) > 0).all()


def test_ties_send_the_gradient_to_the_earlier_intent() -> None:
    twin = torch.randn(DIM)
    intents = torch.stack([twin, twin]).unsqueeze(0).requires_grad_()
    kept, base = torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, DIM)
    table = torch.randn(ITEMS, DIM)
    intent_softmax_loss(intents, kept, base, table, torch.tensor([3])).backward()
    assert intents.grad[0, 0].abs().sum() > 0
    assert intents.grad[0, 1].abs().sum() == 0


def test_bfloat16_loss_is_close_and_scores_are_exact(parts: tuple[Tensor, ...]) -> None:
    intents, kept, base, table = parts
    targets = torch.randint(1, ITEMS, (ROWS,))
    intents = intents.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = intent_softmax_loss(intents, kept, base, table, targets)
        scores = intent_scores(intents, kept, base, table)
    loss.backward()
    exact = intent_softmax_loss(intents.detach(), kept, base, table, targets)
    assert loss.dtype == torch.float32
    assert intents.grad.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.02)
    torch.testing.assert_close(scores, plain_scores(*parts))


def test_blocks_hold_every_kept_intent_once(parts: tuple[Tensor, ...]) -> None:
    intents, kept, base, _ = parts
    found: dict[int, Tensor] = {}
    for block in intent_blocks(kept):
        count, rows = block.places.shape
        assert rows <= 2
        vectors = block.vectors(intents, base).view(count, rows, DIM)
        found |= {int(row): vectors[:, place] for place, row in enumerate(block.rows)}
    assert sorted(found) == list(range(ROWS))
    for row, vectors in found.items():
        torch.testing.assert_close(vectors, intents[row][kept[row]] + base[row])


def test_a_row_without_intents_is_an_error(parts: tuple[Tensor, ...]) -> None:
    intents, kept, base, table = parts
    with pytest.raises(ValueError, match="at least one"):
        intent_scores(intents, torch.zeros_like(kept), base, table)


def test_more_intents_than_bfloat16_counts() -> None:
    """The first of 300 intents wins everywhere, and it alone gets a gradient."""
    intents = torch.zeros(1, 300, 2)
    intents[0, 0] = 1
    intents.requires_grad_()
    table, kept = torch.rand(9, 2), torch.ones(1, 300, dtype=torch.bool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = intent_softmax_loss(intents, kept, torch.zeros(1, 2), table, torch.tensor([3]))
    loss.backward()
    assert intents.grad is not None
    assert intents.grad.abs().sum(2).nonzero()[:, 1].tolist() == [0]
