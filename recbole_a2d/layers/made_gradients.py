"""Gradients that a loss makes in its forward pass and hands out in its backward pass.

They are not saved for backward: the optimizer is to own them, not a copy of them.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def keep_gradients(ctx: Any, *grads: Tensor | None) -> None:
    """Keep the gradients of a loss's inputs, from forward to backward."""
    ctx.made_gradients = grads


def hand_out_gradients(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
    """The gradients kept, times the gradient of the loss itself.

    Raises:
        RuntimeError: they have been handed out before.
    """
    if ctx.made_gradients is None:
        raise RuntimeError("the softmax loss has handed out its gradients: one backward only")
    grads, ctx.made_gradients = ctx.made_gradients, None
    if bool(factor == 1):
        return tuple(grads)
    return tuple(None if grad is None else grad * factor for grad in grads)
