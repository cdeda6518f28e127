"""Session graphs against a walk over the clicks in plain Python."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recbole.model.sequential_recommender.srgnn import GNN

from recbole_a2d.layers.session_graph import (
    MUTUAL,
    PREDECESSOR,
    SELF,
    SUCCESSOR,
    build_session_graph,
    reverse_clicks,
    trim,
)

prefixes = st.lists(st.lists(st.integers(1, 5), max_size=9), min_size=1, max_size=6)


def padded(rows: list[list[int]], extra: int = 0) -> torch.Tensor:
    width = max(1, *(len(row) for row in rows)) + extra
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def plain_nodes(row: list[int]) -> list[int]:
    return list(dict.fromkeys(row))


def plain_counts(row: list[int]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for first, second in pairwise(row):
        counts[first, second] = counts.get((first, second), 0) + 1
    return counts


def plain_type(row: list[int], center: int, other: int) -> int:
    counts = plain_counts(row)
    if center == other:
        return SELF
    forward, backward = (center, other) in counts, (other, center) in counts
    return {(0, 0): 0, (1, 0): SUCCESSOR, (0, 1): PREDECESSOR, (1, 1): MUTUAL}[forward, backward]


@settings(deadline=None)
@given(prefixes, st.integers(0, 3))
def test_nodes_alias_and_edges(rows: list[list[int]], extra: int) -> None:
    graph = build_session_graph(padded(rows, extra))
    types, counts = graph.edge_types(), graph.transitions
    longest = max(1, max(len(set(row)) for row in rows))
    assert graph.nodes.shape == (len(rows), longest)
    assert graph.clicks.shape[1] == max(1, max(len(row) for row in rows))
    for b, row in enumerate(rows):
        nodes = plain_nodes(row)
        assert graph.nodes[b].tolist() == nodes + [0] * (longest - len(nodes))
        assert [nodes[slot] for slot in graph.alias[b, : len(row)]] == row
        assert graph.lengths[b] == len(row)
        for i in range(longest):
            for j in range(longest):
                real = i < len(nodes) and j < len(nodes)
                pair = (nodes[i], nodes[j]) if real else (0, 0)
                assert counts[b, i, j] == plain_counts(row).get(pair, 0)
                assert types[b, i, j] == (plain_type(row, *pair) if real else 0)


@settings(deadline=None)
@given(prefixes)
def test_mean_adjacency(rows: list[list[int]]) -> None:
    graph = build_session_graph(padded(rows))
    incoming, outgoing = graph.mean_adjacency()
    for b, row in enumerate(rows):
        nodes, edges = plain_nodes(row), plain_counts(row)
        for i, item in enumerate(nodes):
            before = {a for a, z in edges if z == item}
            after = {z for a, z in edges if a == item}
            for j, other in enumerate(nodes):
                assert incoming[b, i, j] == (
                    torch.tensor(1 / len(before)) if other in before else 0
                )
                assert outgoing[b, i, j] == (torch.tensor(1 / len(after)) if other in after else 0)
        assert incoming[b, len(nodes) :].sum() == outgoing[b, len(nodes) :].sum() == 0


def test_gated_graph_cell_from_formulas() -> None:
    """SR-GNN's cell (Eq. 1-5) node by node, with neighbours found by walking the session."""
    torch.manual_seed(0)
    row, dim = [4, 7, 4, 9, 4], 6
    cell = GNN(dim)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter)
    graph = build_session_graph(torch.tensor([row]))
    vectors = torch.randn(1, 3, dim)
    updated = cell(torch.cat(graph.mean_adjacency(), dim=2), vectors)[0]
    h = dict(zip(plain_nodes(row), vectors[0], strict=True))
    for slot, item in enumerate(plain_nodes(row)):
        before = {a for a, z in plain_counts(row) if z == item}
        after = {z for a, z in plain_counts(row) if a == item}
        w_in, w_out = cell.linear_edge_in, cell.linear_edge_out
        message = torch.cat(
            [
                sum((w_in(h[a]) for a in before), torch.zeros(dim)) / max(len(before), 1)
                + cell.b_iah,
                sum((w_out(h[z]) for z in after), torch.zeros(dim)) / max(len(after), 1)
                + cell.b_ioh,
            ]
        )
        reset_in, update_in, new_in = (cell.w_ih @ message + cell.b_ih).chunk(3)
        reset_h, update_h, new_h = (cell.w_hh @ h[item] + cell.b_hh).chunk(3)
        update = torch.sigmoid(update_in + update_h)
        new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_h) * new_h)
        expected = (1 - update) * h[item] + update * new
        torch.testing.assert_close(updated[slot], expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@given(prefixes, st.integers(0, 3))
def test_reverse_and_trim(rows: list[list[int]], extra: int) -> None:
    batch = padded(rows, extra)
    assert trim(batch).tolist() == padded(rows).tolist()
    assert reverse_clicks(trim(batch)).tolist() == padded([row[::-1] for row in rows]).tolist()


def test_at_clicks() -> None:
    graph = build_session_graph(torch.tensor([[5, 6, 5], [8, 0, 0]]))
    vectors = torch.arange(8.0).view(2, 2, 2)
    expected = torch.stack([vectors[0, [0, 1, 0]], vectors[1, [0, 0, 0]]])
    assert torch.equal(graph.at_clicks(vectors), expected)
