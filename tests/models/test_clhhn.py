"""CLHHN: the behaviour every model must show, categories, and the cut to the last clicks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.errors import UserError
from recbole_a2d.layers.hypergraph import window_incidence
from recbole_a2d.layers.session_graph import build_session_graph
from recbole_a2d.models.clhhn import CLHHN


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    return lambda **changes: CLHHN(
        tiny_config("CLHHN", **{"embedding_size": 16, **changes}), tiny_dataset
    )


def test_behaviour_with_two_rounds(build: Any, checks: Any) -> None:
    checks.all(build(rounds=2))


def test_scores_are_scaled_cosines(build: Any, checks: Any, tiny_batch: Any) -> None:
    model = build(score_scale=7).eval()
    torch.testing.assert_close(model.candidates().norm(dim=1), torch.ones(21))
    batch = tiny_batch([[3, 4], [5]])
    torch.testing.assert_close(model.session_vectors(batch).norm(dim=1), torch.full((2,), 7.0))


def test_session_vector_is_read_from_items_and_categories(build: Any) -> None:
    """3 -> 8 -> 4, where 3 and 8 share a category; the last click is asked for the summary."""
    model = build(window=2, rounds=2, score_scale=7).eval()
    items, categories = torch.tensor([[3, 8, 4]]), torch.tensor([[3, 3, 4]])
    graphs = build_session_graph(items), build_session_graph(categories)
    nodes = [model.item_embedding(items), model.category_embedding(torch.tensor([[3, 4]]))]
    nodes = F.normalize(torch.cat(nodes, dim=1), dim=2)
    nodes = model.hypergraph(nodes, window_incidence(*graphs, 2))
    clicks = F.normalize(torch.cat([nodes[:, [0, 1, 2]], nodes[:, [3, 3, 4]]], dim=2), dim=2)
    session = model.readout(clicks, torch.ones(1, 3, dtype=torch.bool), clicks[:, -1])
    found = model(torch.tensor([[3, 8, 4, 0]]), torch.tensor([3]))
    torch.testing.assert_close(found, 7 * F.normalize(session, dim=1))


def test_only_last_clicks_are_read(build: Any, checks: Any) -> None:
    model = build(max_clicks=3)
    scores = checks.scores(model, [[9, 8, 3, 4, 5], [3, 4, 5], [4, 5], [7, 3, 4, 5]])
    checks.same(scores[0], scores[1])
    checks.same(scores[0], scores[3])
    assert (scores[1] - scores[2]).abs().max() > 1e-2
    whole = build(max_clicks=0)
    scores = checks.scores(whole, [[9, 8, 3, 4, 5], [3, 4, 5]])
    assert (scores[0] - scores[1]).abs().max() > 1e-2


def test_items_without_category_stay_in(build: Any, checks: Any) -> None:
    """Category 0 on a real click is the category "none", not a pad."""
    model = build()
    model.category_of_item[4] = 0
    scores = checks.scores(model, [[3, 4], [3]])
    assert (scores[0] - scores[1]).abs().max() > 1e-2
    checks.independent_of_padding(model)


def test_category_matters(build: Any, checks: Any) -> None:
    model = build()
    before = checks.scores(model, [[3, 4]])
    with torch.no_grad():
        model.category_embedding.weight[4] += 1.0
    assert (before - checks.scores(model, [[3, 4]])).abs().max() > 1e-2


def test_data_without_categories(tiny_config: Any, tiny_dataset: Any) -> None:
    tiny_dataset.n_categories = 1
    with pytest.raises(UserError, match="CLHHN needs item categories"):
        CLHHN(tiny_config("CLHHN"), tiny_dataset)


def test_longest_prefix_fits(build: Any, checks: Any) -> None:
    longest = [1 + step % 20 for step in range(50)]
    assert torch.isfinite(checks.scores(build(max_clicks=0), [longest])).all()
