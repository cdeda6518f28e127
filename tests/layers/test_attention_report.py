"""Figures of attentions worked out by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_a2d.layers.attention_report import attention_report
from recbole_a2d.layers.masking import prefix_mask
from recbole_a2d.layers.sparse_attention import ReadSession


def read(click_weights: Tensor, context_weights: Tensor, alpha: Tensor | None) -> ReadSession:
    return ReadSession(torch.zeros(len(click_weights), 3), click_weights, context_weights, alpha)


def test_even_and_single_minded_sessions() -> None:
    clicks = torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])
    context = torch.stack([torch.full((2, 2), 0.5), torch.eye(2), torch.eye(2)])
    alpha = torch.tensor([[1.2], [1.4], [1.9]])
    report = attention_report(read(clicks, context, alpha), prefix_mask(torch.tensor([2, 2, 1]), 2))
    # the last session has one click and no choice; one of five clicks is switched off
    assert report == {
        "click_entropy": 0.5,
        "context_entropy": 0.5,
        "clicks_switched_off": 0.2,
        "alpha_ent": 1.5,
    }


def test_sessions_of_one_click_have_no_entropies() -> None:
    one = read(torch.ones(2, 1), torch.ones(2, 1, 1), None)
    report = attention_report(one, torch.ones(2, 1, dtype=torch.bool))
    assert report == {"clicks_switched_off": 0.0, "alpha_ent": 1.5}


def test_no_clicks_have_no_figures() -> None:
    none = read(torch.zeros(0, 1), torch.zeros(0, 1, 1), torch.zeros(0, 1))
    assert attention_report(none, torch.zeros(0, 1, dtype=torch.bool)) == {}
