"""Adam, fused, and beside it a sparse one for parameters of which a step touches a few rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn, optim


def adam(model: nn.Module, learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Fused Adam for a model; parameters in its ``sparse_parameters`` get the sparse one.

    Torch's sparse Adam changes the rows that a step looked up and knows no weight decay.
    """
    sparse = sparse_parameters(model)
    chosen = {id(parameter) for parameter in sparse}
    dense = [one for one in model.parameters() if id(one) not in chosen]
    fused = optim.Adam(dense, lr=learning_rate, weight_decay=weight_decay, fused=True)
    return JointOptimizer(fused, optim.SparseAdam(sparse, lr=learning_rate)) if sparse else fused


def sparse_parameters(model: nn.Module) -> list[torch.Tensor]:
    """What a model names as ``sparse_parameters``: gradients of theirs hold a few rows alone."""
    return list(getattr(model, "sparse_parameters", []))


class JointOptimizer(optim.Optimizer):
    """Several optimizers that act as one.

    Args:
        parts: the optimizers; their groups stay theirs, so that a learning rate set here holds.
    """

    def __init__(self, *parts: optim.Optimizer) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        # The very groups of the parts, not torch's copies of them.
        self.param_groups = [group for part in parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of each; a closure is not evaluated again by any of them."""
        if closure is not None:
            with torch.enable_grad():
                closure()
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """States of the parts under their numbers."""
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        for number, part in enumerate(self.parts):
            part.load_state_dict(state_dict[str(number)])
        self.param_groups = [group for part in self.parts for group in part.param_groups]
