"""Dropout: its rate, its scale, its seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recbole_a2d.layers.fast_dropout import FastDropout, random_bytes, replace_dropout


def test_rate_and_scale() -> None:
    torch.manual_seed(0)
    dropout, values = FastDropout(0.3), torch.ones(1000, 333, requires_grad=True)
    out = dropout(values)
    assert (out == 0).float().mean().item() == pytest.approx(77 / 256, abs=0.003)
    kept = out[out > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 256 / (256 - 77)))
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    out.sum().backward()
    torch.testing.assert_close(values.grad, out.detach())


def test_every_byte_is_uniform() -> None:
    torch.manual_seed(0)
    places = random_bytes(8 * 100_000).view(-1, 8)
    for place in places.unbind(1):
        counts = torch.bincount(place.int(), minlength=256)
        assert counts.min() > 300 and counts.max() < 490


def test_same_seed_same_mask() -> None:
    dropout, values = FastDropout(0.5), torch.ones(7, 3)
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropout(values))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_nothing_is_dropped_in_ranking_or_at_rate_zero() -> None:
    values = torch.randn(4, 4)
    assert FastDropout(0.5).eval()(values) is values
    assert FastDropout(0.0)(values) is values
    assert not FastDropout(1.0)(values).any()


def test_a_rate_is_a_share() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        FastDropout(1.5)


def test_replaced_wherever_it_stands_in_a_model() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.25))
    model = nn.ModuleDict({"one": nn.Dropout(0.5), "two": inner, "three": nn.Dropout2d(0.5)})
    replace_dropout(model)
    assert [part.rate for part in model.modules() if isinstance(part, FastDropout)] == [0.5, 0.25]
    assert isinstance(model["three"], nn.Dropout2d)
