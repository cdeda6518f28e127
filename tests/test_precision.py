"""What a training step multiplies in, and that ranking takes none of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.config import build_config
from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.precision import choose_precision, large_products, products_in, training_in
from recbole_a2d.trainer import SessionTrainer

CPU = torch.device("cpu")
rounds_factors = pytest.mark.skipif(
    choose_precision("auto", CPU) != torch.bfloat16,
    reason="this processor does not multiply in bfloat16",
)


class Watcher(nn.Module):
    """Notes what large products and all others are taken in, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.seen: list[tuple[str, str]] = []

    def calculate_loss(self, batch: Any) -> Tensor:
        self._note()
        self.weight.register_hook(self._note)
        return self.weight.sum()

    def full_sort_predict(self, batch: Any) -> Tensor:
        self._note()
        return torch.zeros(len(batch), 3)

    def _note(self, _: Tensor | None = None) -> None:
        others = torch.get_float32_matmul_precision()
        with large_products():
            self.seen.append((torch.get_float32_matmul_precision(), others))


@pytest.mark.parametrize(("precision", "large"), [("bfloat16", "medium"), ("float32", "highest")])
def test_both_passes_of_a_step(precision: str, large: str) -> None:
    model = Watcher()
    config = build_config("A2DMTL", "shop", overrides={"precision": precision})
    trainer = SessionTrainer(config, model)
    trainer._step([0], trainer.calculate_loss)
    assert model.seen == [(large, "highest")] * 2
    model._note()
    assert model.seen[-1] == ("highest", "highest"), "left on after the step"


def test_ranking_is_in_float32() -> None:
    model = Watcher()
    config = build_config("A2DMTL", "shop", overrides={"precision": "bfloat16"})
    SessionTrainer(config, model)._rank_batch(Interaction({"item_id": torch.tensor([1, 2])}))
    assert model.seen == [("highest", "highest")]


def test_put_back_after_an_error() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(ZeroDivisionError), products_in(torch.bfloat16):
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == before


@rounds_factors
def test_factors_are_rounded_and_sums_are_not() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(64, 256), torch.randn(256, 512)
    exact = left.double() @ right.double()
    with products_in(torch.bfloat16):
        found = left @ right
    assert found.dtype == torch.float32
    rounded = left.bfloat16().double() @ right.bfloat16().double()
    torch.testing.assert_close(found.double(), rounded, rtol=1e-5, atol=1e-4)
    assert (found - exact).abs().max() > 1e-3


@rounds_factors
@pytest.mark.parametrize("unit_items", [False, True])
def test_loss_and_gradients_stay_near_float32(unit_items: bool) -> None:
    torch.manual_seed(0)
    sessions = torch.randn(64, 32, requires_grad=True)
    table = torch.randn(501, 32, requires_grad=True)
    targets, found = torch.randint(1, 501, (64,)), []
    for dtype in (torch.float32, torch.bfloat16):
        with training_in(dtype, CPU):
            loss = full_softmax_loss(sessions, table, targets, unit_items=unit_items)
            found.append((loss.detach(), *torch.autograd.grad(loss, (sessions, table))))
    for exact, rounded in zip(*found, strict=True):
        assert 0 < (rounded - exact).norm() < 0.01 * exact.norm()
