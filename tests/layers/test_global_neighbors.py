"""Neighborhood expansion and session-aware aggregation against recursion in plain Python."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from recbole_a2d.layers.global_neighbors import (
    GlobalNeighborEncoder,
    SessionAwareAggregator,
    expand,
)
from recbole_a2d.layers.segments import take

NODES = torch.tensor([[3, 1, 0], [2, 0, 0], [1, 2, 4], [0, 0, 0]])
NEIGHBORS = torch.tensor([[0, 0], [2, 3], [1, 0], [4, 1], [0, 0]])
WEIGHTS = torch.tensor([[0.0, 0.0], [5.0, 2.0], [5.0, 0.0], [3.0, 2.0], [0.0, 0.0]])


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_expand_lists_each_pair_once(hops: int) -> None:
    levels, session, item = expand(NODES, NEIGHBORS, WEIGHTS, hops)
    wanted = {(b, int(i)) for b in range(4) for i in NODES[b] if i > 0}
    assert list(zip(levels[0].session.tolist(), levels[0].item.tolist(), strict=True)) == [
        (b, int(i)) for b in range(4) for i in NODES[b] if i > 0
    ]
    following = [(level.session, level.item) for level in levels[1:]] + [(session, item)]
    for level, (next_session, next_item) in zip(levels, following, strict=True):
        pairs = list(zip(next_session.tolist(), next_item.tolist(), strict=True))
        around = {
            (b, int(j))
            for b, i in wanted
            for j, w in zip(NEIGHBORS[i], WEIGHTS[i], strict=True)
            if w > 0
        }
        wanted = wanted | around
        assert set(pairs) == wanted
        assert len(pairs) == len(wanted)
        for p in range(len(level.item)):
            assert pairs[level.itself[p]] == (level.session[p], level.item[p])
            for k in range(2):
                if WEIGHTS[level.item[p], k] > 0:
                    neighbor = int(NEIGHBORS[level.item[p], k])
                    assert pairs[level.neighbors[p, k]] == (level.session[p], neighbor)
                    assert level.weights[p, k] == WEIGHTS[level.item[p], k]


def plain_aggregate(
    layer: SessionAwareAggregator, session: torch.Tensor, itself: torch.Tensor, around: list
) -> torch.Tensor:
    mixed = torch.zeros_like(itself)
    if around:
        w1 = torch.cat([layer.suitability.weight, layer.edge_weight.unsqueeze(1)], dim=1)
        scores = [
            layer.query.weight[0]
            @ F.leaky_relu(w1 @ torch.cat([session * vector, weight.view(1)]), 0.2)
            for vector, weight in around
        ]
        weights = torch.stack(scores).softmax(0)
        mixed = sum(w * vector for w, (vector, _) in zip(weights, around, strict=True))
    return F.relu(layer.merge.weight @ torch.cat([itself, mixed]))


@pytest.mark.parametrize("hops", [1, 2])
def test_encoder_against_recursion(hops: int) -> None:
    torch.manual_seed(0)
    encoder = GlobalNeighborEncoder(6, hops, dropout=0.0)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    table, sessions = torch.randn(5, 6), torch.randn(4, 6)

    def state(b: int, item: int, depth: int) -> torch.Tensor:
        if depth == 0:
            return table[item]
        around = [
            (state(b, int(j), depth - 1), w)
            for j, w in zip(NEIGHBORS[item], WEIGHTS[item], strict=True)
            if w > 0
        ]
        layer = encoder.aggregators[depth - 1]
        return plain_aggregate(layer, sessions[b], state(b, item, depth - 1), around)

    result = encoder(partial(take, table), sessions, NODES, (NEIGHBORS, WEIGHTS))
    for b in range(4):
        for slot in range(3):
            item = int(NODES[b, slot])
            expected = state(b, item, hops) if item else torch.zeros(6)
            torch.testing.assert_close(result[b, slot], expected, rtol=1e-4, atol=1e-5)


def test_nodes_without_a_neighbor_keep_themselves() -> None:
    torch.manual_seed(0)
    encoder = GlobalNeighborEncoder(6, 1, dropout=0.0)
    table, nobody = torch.randn(5, 6), torch.zeros(5, 2)
    result = encoder(partial(take, table), torch.randn(4, 6), NODES, (nobody.long(), nobody))
    plain = plain_aggregate(encoder.aggregators[0], torch.zeros(6), table[3], [])
    torch.testing.assert_close(result[0, 0], plain)
