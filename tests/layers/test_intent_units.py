"""MSGIFSR's layers against their formulas, node by node and edge by edge."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from recbole_a2d.layers.consecutive_units import consecutive_units
from recbole_a2d.layers.intent_units import (
    EdgeAttention,
    Relation,
    UnitEncoder,
    UnitGraphLayer,
    UnitReadout,
    receive,
)
from recbole_a2d.layers.segments import take

DIM = 6
ROWS = [[1, 2, 1, 3], [4, 4], [5]]
BATCH = torch.tensor([row + [0] * (4 - len(row)) for row in ROWS])


def normal(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.7)


def test_unit_encoder() -> None:
    torch.manual_seed(0)
    levels = consecutive_units(BATCH, 3)
    encoder, table = UnitEncoder(DIM, 3, dropout=0.0), torch.randn(6, DIM)
    normal(encoder)
    table[0] = 0.0
    short = table / table.norm(dim=1, keepdim=True).clamp_min(1.0)
    for size, (level, vectors) in enumerate(
        zip(levels, encoder(partial(take, table), levels), strict=True), start=1
    ):
        for unit, vector in zip(level.items, vectors, strict=True):
            items = short[unit[unit > 0]]
            expected = items[0]
            if size > 1:
                states, _ = encoder.recurrent[size - 2](items.unsqueeze(0))
                expected = 0.5 * items.mean(0) + 0.5 * states[0, -1]
            torch.testing.assert_close(vector, expected / expected.norm(), rtol=1e-4, atol=1e-5)


def plain_attention(layer, sources, targets, edges) -> torch.Tensor:
    """Messages of every head to every target, ``[heads, M, D]``."""
    result = torch.zeros(len(layer.weight), len(targets), DIM)
    for head, w in enumerate(layer.weight):
        a_l, a_r = layer.source_score[head, :, 0], layer.target_score[head, :, 0]
        # row vectors: W h of the formula is h @ w here, and the queries stand behind it
        for t in range(len(targets)):
            incoming = [s for s, target in edges if target == t]
            message = torch.zeros(DIM)
            if incoming:
                scores = [
                    F.leaky_relu((sources[s] @ w) @ a_l + (targets[t] @ w) @ a_r, 0.2)
                    for s in incoming
                ]
                weights = torch.stack(scores).softmax(0)
                pairs = zip(weights, incoming, strict=True)
                message = sum(weight * (sources[s] @ w) for weight, s in pairs)
            result[head, t] = message + targets[t] + layer.bias[head]
    return result


def test_edge_attention() -> None:
    torch.manual_seed(0)
    layer = EdgeAttention(DIM, heads=2, dropout=0.0)
    normal(layer)
    sources, targets = torch.randn(4, DIM), torch.randn(3, DIM)
    edges = [(3, 2), (0, 0), (1, 0), (2, 0)]
    tensors = (torch.tensor([s for s, _ in edges]), torch.tensor([t for _, t in edges]))
    expected = plain_attention(layer, sources, targets, edges).amax(0)
    received = receive(targets, [Relation(layer, sources, tensors)])
    torch.testing.assert_close(received, expected, rtol=1e-4, atol=1e-4)


def test_edge_attention_without_edges() -> None:
    layer = EdgeAttention(DIM, heads=2, dropout=0.0)
    nothing = torch.zeros(0, dtype=torch.long)
    targets = torch.randn(3, DIM)
    result = receive(targets, [Relation(layer, torch.randn(4, DIM), (nothing, nothing))])
    torch.testing.assert_close(result, targets + layer.bias.amax(0))


def edge_list(edges, reverse: bool) -> list[tuple[int, int]]:
    pairs = zip(edges[0].tolist(), edges[1].tolist(), strict=True)
    return [(t, s) if reverse else (s, t) for s, t in pairs]


def test_graph_layer() -> None:
    torch.manual_seed(0)
    levels = consecutive_units(BATCH, 3)
    layer = UnitGraphLayer(DIM, 3, heads=2, dropout=0.0)
    normal(layer)
    vectors = [torch.randn(len(level.items), DIM) for level in levels]
    totals = [torch.zeros(2, len(level.items), DIM) for level in levels]
    for modules, reverse in ((layer.forwards, False), (layer.backwards, True)):
        for k, level in enumerate(levels):
            edges = edge_list(level.following, reverse)
            totals[k] += plain_attention(modules[k], vectors[k], vectors[k], edges)
        for k in (1, 2):
            # an edge item -> unit, turned round, is an edge unit -> item
            to_unit = edge_list(levels[k].to_item if reverse else levels[k].from_item, reverse)
            to_item = edge_list(levels[k].from_item if reverse else levels[k].to_item, reverse)
            totals[k] += plain_attention(modules[3], vectors[0], vectors[k], to_unit)
            totals[0] += plain_attention(modules[3], vectors[k], vectors[0], to_item)
    for k, (level, result) in enumerate(zip(levels, layer(vectors, levels, 3), strict=True)):
        for i, session in enumerate(level.session):
            mean = vectors[k][level.session == session].mean(0)
            expected = F.normalize(totals[k][:, i].max(0).values + mean, dim=0)
            torch.testing.assert_close(result[i], expected, rtol=1e-4, atol=1e-4)


def test_readout() -> None:
    torch.manual_seed(0)
    layer = UnitReadout(DIM)
    units, session, last = torch.randn(5, DIM), torch.tensor([0, 1, 1, 0, 1]), torch.randn(2, DIM)
    result = layer(units, session, last)
    for b in range(2):
        own = units[session == b]
        hidden = torch.sigmoid(layer.unit(own) + layer.last(last[b]))
        weights = layer.query(hidden).squeeze(1).softmax(0)
        expected = F.normalize(layer.merge(torch.cat([last[b], weights @ own])), dim=0)
        torch.testing.assert_close(result[b], expected, rtol=1e-4, atol=1e-5)
