"""Masked reductions against plain loops."""

from __future__ import annotations

import torch

from recbole_a2d.layers.masking import last_click, masked_mean, position_from_end, prefix_mask

LENGTHS = torch.tensor([3, 1, 0])
VECTORS = torch.arange(3 * 4 * 2, dtype=torch.float32).reshape(3, 4, 2) + 1


def test_mask() -> None:
    assert prefix_mask(LENGTHS, 4).int().tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_mean_of_clicks_only() -> None:
    mean = masked_mean(VECTORS, prefix_mask(LENGTHS, 4))
    torch.testing.assert_close(mean[0], VECTORS[0, :3].mean(0))
    torch.testing.assert_close(mean[1], VECTORS[1, 0])
    assert not mean[2].any()


def test_last_click() -> None:
    torch.testing.assert_close(
        last_click(VECTORS, LENGTHS), torch.stack([VECTORS[0, 2], VECTORS[1, 0], VECTORS[2, 0]])
    )


def test_positions_count_from_the_last_click() -> None:
    assert position_from_end(LENGTHS, 4).tolist() == [[3, 2, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
