"""The recurrence of a gated recurrent unit, from inputs already multiplied with their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_a2d.layers.full_softmax import working_dtype


def gated_recurrence(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    r"""States of a GRU from zero on; the order of the gates is that of ``torch.nn.GRU``.

    .. math::
        r = \sigma(x_r + W_r h + b_r) \quad z = \sigma(x_z + W_z h + b_z) \quad
        n = \tanh(x_n + r (W_n h + b_n)) \quad h' = n + z (h - n)

    ``torch.nn.GRU`` multiplies every place of a sequence with all input weights. Where an input
    is made of parts that repeat, such as positions, it is cheaper to multiply each part once;
    and it keeps no graph of the steps.

    Shapes:
        inputs ``[T, B, 3D]``, weight ``[3D, D]``, bias ``[3D]`` -> ``[T, B, D]``, float32.
        First-order gradients only.
    """
    states: Tensor = _Recurrence.apply(inputs, weight, bias, working_dtype(inputs))
    return states


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype
    ) -> Tensor:
        steps, rows, _ = inputs.shape
        dim = weight.shape[1]
        with torch.autocast(inputs.device.type, enabled=False):
            turned = weight.to(dtype).T
            states = inputs.new_empty(steps + 1, rows, dim, dtype=torch.float32)
            states[0] = 0
            gates, candidates = [], []
            for step in range(steps):
                before = states[step]
                hidden = _hidden(before, turned, bias) if step else bias.float().expand(rows, -1)
                gate = torch.sigmoid(inputs[step, :, : 2 * dim] + hidden[:, : 2 * dim]).float()
                reset, update = gate.chunk(2, dim=1)
                of_state = hidden[:, 2 * dim :]
                new = torch.addcmul(inputs[step, :, 2 * dim :].float(), reset, of_state).tanh_()
                torch.lerp(new, before, update, out=states[step + 1])
                gates.append(gate)
                candidates.append((new, of_state))
        ctx.dtype = dtype
        ctx.steps = gates, candidates
        ctx.save_for_backward(states, weight, inputs[:0], bias)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, like_inputs, bias = ctx.saved_tensors
        steps, rows, dim = grads[0].shape
        low = weight.to(ctx.dtype)
        hidden_grads = grads[0].new_empty(steps, rows, 3 * dim)
        new_grads = grads[0].new_empty(steps, rows, dim)
        flowing = torch.zeros_like(states[0])
        for step in reversed(range(steps)):
            gate, (new, of_state) = ctx.steps[0][step], ctx.steps[1][step]
            reset, update = gate.chunk(2, dim=1)
            of_reset, of_update, of_hidden = hidden_grads[step].chunk(3, dim=1)
            of_new, of_gates = new_grads[step], hidden_grads[step, :, : 2 * dim]
            flowing = flowing + grads[0][step]
            of_new.copy_(torch.ops.aten.tanh_backward(flowing - flowing * update, new))
            torch.mul(of_new, of_state, out=of_reset)
            torch.mul(flowing, states[step] - new, out=of_update)
            torch.ops.aten.sigmoid_backward.grad_input(of_gates, gate, grad_input=of_gates)
            torch.mul(of_new, reset, out=of_hidden)
            if step:
                back = (hidden_grads[step].to(ctx.dtype) @ low).float()
                flowing = torch.addcmul(back, flowing, update)
        flat = hidden_grads.flatten(0, 1)
        # the state before the first step is zero, and nothing is multiplied with it
        weight_grad = flat[rows:].T.to(ctx.dtype) @ states[1:-1].flatten(0, 1).to(ctx.dtype)
        input_grads = torch.cat([hidden_grads[:, :, : 2 * dim], new_grads], dim=2)
        return (
            input_grads.to(like_inputs.dtype),
            weight_grad.to(weight.dtype),
            flat.sum(0).to(bias.dtype),
            None,
        )


def _hidden(states: Tensor, turned: Tensor, bias: Tensor) -> Tensor:
    """What the states give the gates, ``[B, 3D]``, float32."""
    if turned.dtype == torch.float32:
        return torch.addmm(bias, states, turned)
    return (states.to(turned.dtype) @ turned).float().add_(bias)
