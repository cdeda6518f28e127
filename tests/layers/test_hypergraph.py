"""Window hyperedges and their attention against loops over edges and nodes."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.layers.hypergraph import HypergraphAttention, window_incidence
from recbole_a2d.layers.session_graph import SessionGraph, build_session_graph

CATEGORY = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3}


def graphs(rows: list[list[int]]) -> tuple[SessionGraph, SessionGraph]:
    width = max(len(row) for row in rows)
    items = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    categories = torch.tensor(
        [[CATEGORY[item] for item in row] + [0] * (width - len(row)) for row in rows]
    )
    return build_session_graph(items), build_session_graph(categories)


def plain_hyperedges(row: list[int], window: int) -> list[Counter[tuple[str, int]]]:
    """Each hyperedge as counts of ("item", id) and ("category", id)."""
    clicks = [(("item", item), ("category", CATEGORY[item])) for item in row]
    edges = []
    for kind in (0, 1):
        names = [click[kind] for click in clicks]
        for length in range(1, window + 1):
            for start in range(len(row) - length + 1):
                edges.append(Counter(names[start : start + length]))
        edges.append(Counter(names))
    return edges + [Counter(click) for click in clicks]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=7), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_incidence(rows: list[list[int]], window: int) -> None:
    items, categories = graphs(rows)
    incidence = window_incidence(items, categories, window)
    for b, row in enumerate(rows):
        names = [("item", int(item)) for item in items.nodes[b]]
        names += [("category", int(category)) for category in categories.nodes[b]]
        found = []
        for edge in incidence[b]:
            counts = {name: int(n) for name, n in zip(names, edge, strict=True) if n > 0}
            assert all(name[1] > 0 for name in counts)
            if counts:
                found.append(tuple(sorted(counts.items())))
        expected = [tuple(sorted(edge.items())) for edge in plain_hyperedges(row, window)]
        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("rounds", [1, 2])
def test_attention_against_plain_loops(rounds: int) -> None:
    torch.manual_seed(0)
    items, categories = graphs([[1, 2, 1, 3], [5, 4]])
    incidence = window_incidence(items, categories, 3)
    layer = HypergraphAttention(6, rounds, dropout=0.0)
    with torch.no_grad():
        layer.to_edge.normal_()
        layer.to_node.normal_()
    nodes = torch.randn(2, incidence.shape[2], 6)
    result = layer(nodes, incidence)

    def score(query: torch.Tensor, e: torch.Tensor, x: torch.Tensor, m: torch.Tensor):
        return F.leaky_relu(query @ torch.cat([e * x, m.view(1)]), 0.2)

    for b in range(2):
        held = [[i for i in range(len(m)) if m[i] > 0] for m in incidence[b]]
        x = list(nodes[b])
        e = [
            sum(incidence[b, j, i] * x[i] for i in held[j]) / sum(incidence[b, j])
            if held[j]
            else None
            for j in range(len(held))
        ]
        for _ in range(rounds):
            for j, places in enumerate(held):
                if places:
                    m = incidence[b, j]
                    scores = [score(layer.to_edge, e[j], x[i], m[i]) for i in places]
                    weights = torch.stack(scores).softmax(0)
                    e[j] = sum(w * x[i] for w, i in zip(weights, places, strict=True))
            new = []
            for i in range(len(x)):
                edges = [j for j, places in enumerate(held) if i in places]
                if not edges:
                    new.append(torch.zeros(6))
                    continue
                scores = [score(layer.to_node, e[j], x[i], incidence[b, j, i]) for j in edges]
                weights = torch.stack(scores).softmax(0)
                new.append(sum(w * e[j] for w, j in zip(weights, edges, strict=True)))
            x = new
        torch.testing.assert_close(result[b], torch.stack(x), rtol=1e-4, atol=1e-5)
