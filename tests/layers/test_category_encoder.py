"""Gate and sequence encoder of the categories."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recbole_a2d.data.graphs import count_transitions
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.layers.category_encoder import (
    CategoryEncoder,
    CategorySequenceEncoder,
    GatedFusion,
    category_loss,
)
from recbole_a2d.layers.masking import prefix_mask


@pytest.mark.parametrize("gate", ["scalar", "vector"])
def test_gate_blends(gate: str) -> None:
    torch.manual_seed(0)
    fusion, initial, graph = GatedFusion(4, gate), torch.randn(3, 4), torch.randn(3, 4)
    for row in range(3):
        beta = torch.sigmoid(
            fusion.gate.weight @ torch.cat([initial[row], graph[row]]) + fusion.gate.bias
        )
        expected = beta * initial[row] + (1 - beta) * graph[row]
        torch.testing.assert_close(fusion(initial, graph)[row], expected)


def test_sequence_reads_to_the_last_click() -> None:
    torch.manual_seed(0)
    encoder, vectors, lengths = (
        CategorySequenceEncoder(4, 9),
        torch.randn(2, 5, 4),
        torch.tensor([5, 2]),
    )
    state = encoder(vectors, lengths)
    cell = nn.GRUCell(12, 4)
    cell.load_state_dict(encoder.gru.state_dict())
    for row, length in enumerate(lengths.tolist()):
        hidden = torch.zeros(4)
        for step in range(length):
            position = encoder.position.weight[length - step]
            hidden = cell(
                torch.cat([vectors[row, step], position, encoder.length.weight[length]]), hidden
            )
        torch.testing.assert_close(state[row], hidden)


def test_loss_skips_targets_without_category() -> None:
    torch.manual_seed(0)
    edges = count_transitions(Sessions.from_lists([[1, 2, 3, 1]]), 4)
    encoder = CategoryEncoder(4, edges, layers=1, gate="scalar", max_length=5, dropout=0.0)
    lengths = torch.tensor([2, 1])
    view = encoder(
        encoder.table(), torch.tensor([[1, 2], [3, 0]]), lengths, prefix_mask(lengths, 2)
    )
    alone = nn.functional.cross_entropy((view.state @ view.table[1:].T)[:1], torch.tensor([1]))
    log_probabilities = encoder.log_probabilities(view)
    torch.testing.assert_close(category_loss(log_probabilities, torch.tensor([2, 0])), alone)
    assert category_loss(log_probabilities, torch.tensor([0, 0])) == 0


def test_dropout_is_on_what_the_sequence_encoder_reads_alone() -> None:
    torch.manual_seed(0)
    edges = count_transitions(Sessions.from_lists([[1, 2, 3, 1]]), 4)
    encoder = CategoryEncoder(4, edges, layers=1, gate="scalar", max_length=5, dropout=0.5)
    seen: list[torch.Tensor] = []
    encoder.sequence.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    lengths, table = torch.tensor([2, 2]), encoder.table()
    categories = torch.tensor([[1, 2], [3, 1]])
    view = encoder.train()(table, categories, lengths, prefix_mask(lengths, 2))
    assert torch.equal(view.of_click, table[categories])
    dropped = seen[0] == 0
    assert 0 < dropped.sum() < dropped.numel()
    torch.testing.assert_close(seen[0], (2 * view.of_click).masked_fill(dropped, 0))
