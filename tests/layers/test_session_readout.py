"""The readout with positions against its formula, click by click."""

from __future__ import annotations

import torch

from recbole_a2d.layers.session_readout import PositionReadout


def test_against_plain_loop() -> None:
    torch.manual_seed(0)
    layer = PositionReadout(6, 4, max_length=5)
    clicks, summary = torch.randn(2, 4, 6), torch.randn(2, 6)
    lengths = [4, 2]
    mask = torch.arange(4) < torch.tensor(lengths).unsqueeze(1)
    result = layer(clicks, mask, summary)
    for b, length in enumerate(lengths):
        expected = torch.zeros(6)
        for t in range(length):
            back = layer.position.weight[length - 1 - t]
            z = torch.tanh(layer.merge.weight @ torch.cat([clicks[b, t], back]))
            hidden = layer.click.weight @ z + layer.click.bias + layer.summary.weight @ summary[b]
            expected = expected + layer.query.weight[0] @ torch.sigmoid(hidden) * clicks[b, t]
        torch.testing.assert_close(result[b], expected, rtol=1e-4, atol=1e-5)
