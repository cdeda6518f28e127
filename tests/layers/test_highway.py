"""The highway gate, feature by feature."""

import math

import torch

from recbole_a2d.layers.highway import Highway


def test_equals_the_formula() -> None:
    torch.manual_seed(0)
    layer = Highway(3)
    before, after = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    mixed = layer(before, after).detach()
    for row, place, feature in [(0, 0, 0), (1, 3, 2), (0, 2, 1)]:
        x, y = before[row, place], after[row, place]
        logit = layer.gate.weight[feature] @ torch.cat([x, y]) + layer.gate.bias[feature]
        gate = 1 / (1 + math.exp(-logit.item()))
        expected = gate * x[feature] + (1 - gate) * y[feature]
        torch.testing.assert_close(mixed[row, place, feature], expected)
