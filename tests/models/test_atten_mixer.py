"""Atten-Mixer: shared behaviour in both head layouts, cosine scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_a2d.errors import UserError
from recbole_a2d.models.atten_mixer import AttenMixer

SMALL = {"embedding_size": 16, "num_heads": 4, "levels": 3}


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    def make(**overrides: Any) -> AttenMixer:
        return AttenMixer(tiny_config("AttenMixer", **{**SMALL, **overrides}), tiny_dataset)

    return make


def test_behaviour_of_interleaved_heads(build: Any, checks: Any) -> None:
    checks.all(build(head_layout="interleaved"))
    checks.learns_cycle(build(head_layout="interleaved"))


def test_scores_are_scaled_cosines(build: Any, tiny_batch: Any) -> None:
    model, batch = build(score_scale=5.0).eval(), tiny_batch([[3, 4, 3], [7]])
    with torch.no_grad():
        scores = model.full_sort_predict(batch)
        sessions = model(batch["item_id_list"], batch["item_length"])
        table = model.item_embedding.weight[1:]
    expected = torch.cosine_similarity(sessions.unsqueeze(1), table.unsqueeze(0), dim=2)
    torch.testing.assert_close(scores[:, 1:], 5 * expected)


def test_candidates_are_dropped_while_training_only(build: Any) -> None:
    model = build(dropout=0.5)
    assert (model.train().candidates()[1:] == 0).float().mean() > 0.3
    assert (model.eval().candidates()[1:] == 0).sum() == 0


def test_clicks_are_unit_vectors_even_after_dropout(build: Any) -> None:
    model, seen = build(dropout=0.5).train(), []
    model.queries.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.tensor([[3, 4, 5]]), torch.tensor([3]))
    assert (seen[0] == 0).any()
    torch.testing.assert_close(seen[0].norm(dim=2), torch.ones(1, 3))


def test_unknown_head_layout(build: Any) -> None:
    with pytest.raises(UserError, match="head_layout"):
        build(head_layout="scrambled")
