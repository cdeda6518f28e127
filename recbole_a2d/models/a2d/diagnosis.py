"""What A2D-MTL says of itself on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_a2d.layers.attention_report import attention_report
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.layers.return_report import own_mass, return_report
from recbole_a2d.scoring import score_parts

if TYPE_CHECKING:
    from recbole_a2d.models.a2d_mtl import A2DMTL


@torch.no_grad()
def diagnose(model: A2DMTL, batch: Interaction) -> dict[str, float]:
    """How the attentions behave, how often returns are expected, and what was learned of trends.

    Returns:
        Entropies, clicks switched off, alpha_ent; ``returns`` and ``expected_returns``;
        ``trend_1``, ``trend_2``, ...: weights of the slices, the youngest first.
    """
    prefixes, targets = batch[model.ITEM_SEQ], batch[model.POS_ITEM_ID]
    of_returns = return_report(_own_masses(model, batch), prefixes, targets)
    return _of_attention(model, batch) | of_returns | _of_trends(model)


def _of_attention(model: A2DMTL, batch: Interaction) -> dict[str, float]:
    categories, table, _ = model.tables()
    encoded = model.encode(batch, categories, ItemVectors(table), inspect=True)
    return {} if encoded.read is None else attention_report(encoded.read, encoded.mask)


def _own_masses(model: A2DMTL, batch: Interaction) -> Iterator[Tensor]:
    """How probable the sessions' own items are together, some rows at a time."""
    logs = model.memory is not None or model.answers is None or model.answers.gives_logarithms
    for rows, scores in score_parts(model, batch):
        yield own_mass(scores if logs else scores.log(), batch[model.ITEM_SEQ][rows])


def _of_trends(model: A2DMTL) -> dict[str, float]:
    weights = [] if model.trends is None else model.trends.weight.tolist()
    return {f"trend_{age}": round(one, 6) for age, one in enumerate(weights, 1)}
