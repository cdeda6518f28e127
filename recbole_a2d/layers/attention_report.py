"""Figures that show whether an attention attends: entropies, clicks switched off."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recbole_a2d.layers.sparse_attention import ReadSession


def relative_entropy(weights: Tensor, mask: Tensor) -> float:
    """Mean entropy of the weights over that of uniform ones: 1 is no attention at all.

    Sessions of one click, where there is nothing to choose, are left out; NaN without any
    other.

    Shapes: weights, mask ``[B, T]``.
    """
    clicks = mask.sum(1)
    chosen = clicks > 1
    weights = weights[chosen].float()
    entropy = -(weights * weights.clamp_min(1e-12).log()).sum(1)
    return float((entropy / clicks[chosen].float().log()).mean())


def attention_report(read: ReadSession, mask: Tensor) -> dict[str, float]:
    """Figures of a batch read with ``inspect=True``.

    Returns:
        ``click_entropy`` and ``context_entropy`` (Eq. 14 and 12, relative to uniform),
        ``clicks_switched_off`` (share of clicks with weight exactly 0), ``alpha_ent`` (mean);
        without those that the batch says nothing of: sessions of one click have no entropy.
    """
    report = {
        "click_entropy": relative_entropy(read.click_weights, mask),
        "clicks_switched_off": float((read.click_weights[mask] == 0).float().mean()),
        "alpha_ent": 1.5 if read.alpha is None else float(read.alpha.mean()),
    }
    if read.context_weights is not None:
        rows, clicks = torch.nonzero(mask, as_tuple=True)
        report["context_entropy"] = relative_entropy(read.context_weights[rows, clicks], mask[rows])
    # NaN is no JSON, which is what records are
    return {name: round(value, 6) for name, value in report.items() if not math.isnan(value)}
