"""GCE-GNN: the global graph's counts, and the behaviour every model must show."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.errors import UserError
from recbole_a2d.models.gce_gnn import GCEGNN, co_occurrence_neighbors


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    return lambda **changes: GCEGNN(
        tiny_config("GCEGNN", **{"embedding_size": 16, **changes}), tiny_dataset
    )


def test_behaviour_with_two_hops(build: Any, checks: Any) -> None:
    checks.all(build(hops=2))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 6), min_size=2, max_size=7), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_co_occurrences(lists: list[list[int]], limit: int) -> None:
    counts: Counter[tuple[int, int]] = Counter()
    for clicks in lists:
        for i in range(len(clicks)):
            for j in range(i + 1, min(i + 4, len(clicks))):
                counts[clicks[i], clicks[j]] += 1
                counts[clicks[j], clicks[i]] += 1
    table = co_occurrence_neighbors(Sessions.from_lists(lists), 7, distance=3, limit=limit)
    for item in range(7):
        around = sorted((-n, other) for (a, other), n in counts.items() if a == item)[:limit]
        empty = [0] * (limit - len(around))
        assert table.neighbors[item].tolist() == [other for _, other in around] + empty
        assert table.counts[item].tolist() == [-n for n, _ in around] + empty


def test_global_graph_matters(build: Any, checks: Any) -> None:
    model = build()
    before = checks.scores(model, [[3, 4]])
    model.counts.zero_()
    assert (before - checks.scores(model, [[3, 4]])).abs().max() > 1e-4


def test_session_vector_is_read_from_local_and_global_nodes(build: Any) -> None:
    """4 -> 5 -> 4 -> 9: the mean of the clicks, not of the nodes, asks the global graph."""
    model = build(hops=2).eval()
    nodes, of_click = torch.tensor([[4, 5, 9]]), [0, 1, 0, 2]
    types = torch.tensor([[[1, 4, 2], [4, 1, 0], [3, 0, 1]]])
    items = model.item_embedding(nodes)
    graph = (model.neighbors, model.counts)
    around = model.global_attention(model.item_embedding, items[:, of_click].mean(1), nodes, graph)
    clicks = (model.local_attention(items, types) + around)[:, of_click]
    expected = model.readout(clicks, torch.ones(1, 4, dtype=torch.bool), clicks.mean(1))
    found = model(torch.tensor([[4, 5, 4, 9, 0]]), torch.tensor([4]))
    torch.testing.assert_close(found, expected)


def test_order_of_clicks_matters(build: Any, checks: Any) -> None:
    scores = checks.scores(build(), [[3, 4, 5], [5, 4, 3]])
    assert (scores[0] - scores[1]).abs().max() > 1e-4


def test_tables_are_no_weights(build: Any) -> None:
    assert not {"neighbors", "counts"} & set(build().state_dict())


def test_bad_settings_are_named(build: Any) -> None:
    with pytest.raises(UserError, match="hops is 0; it must be a whole number of at least 1"):
        build(hops=0)
