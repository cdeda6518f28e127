"""Session means and their nearest neighbours, by loops."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from recbole_a2d.layers.session_bank import (
    BatchBank,
    TrainingSessionBank,
    mix_neighbors,
    session_means,
)

ITEMS, OFFSETS = torch.tensor([1, 2, 3, 0, 2, 4]), torch.tensor([0, 3, 5, 6])
VECTORS = torch.tensor([[9.0, 9], [1, 0], [0, 1], [1, 1], [-1, 0.5]])


def test_means_skip_unknown_items() -> None:
    expected = torch.stack([VECTORS[[1, 2, 3]].mean(0), VECTORS[2], VECTORS[4]])
    torch.testing.assert_close(session_means(VECTORS, ITEMS, OFFSETS), expected)
    torch.testing.assert_close(session_means(VECTORS, ITEMS, OFFSETS, chunk=1), expected)


def test_mix_is_the_softmax_of_the_cosines() -> None:
    query, neighbors = torch.tensor([[1.0, 2]]), torch.tensor([[[0.5, 1], [2, 0]]])
    cosine = torch.stack([F.cosine_similarity(query[0], n, dim=0) for n in neighbors[0]])
    expected = (torch.softmax(cosine, 0).unsqueeze(1) * neighbors[0]).sum(0)
    torch.testing.assert_close(mix_neighbors(query, neighbors)[0], expected)


def test_own_session_is_left_out() -> None:
    bank = TrainingSessionBank(ITEMS, OFFSETS, dim=2, neighbors=1)
    bank.refresh(VECTORS)
    query = VECTORS[2:3]
    assert bank.nearest(query).tolist() == [[1]]
    assert bank.nearest(query, torch.tensor([1])).tolist() == [[0]]
    torch.testing.assert_close(bank(query, torch.tensor([1])), bank.means[:1])


def test_own_session_is_left_out_where_there_are_few() -> None:
    bank = TrainingSessionBank(ITEMS, OFFSETS, dim=2, neighbors=3)
    bank.refresh(VECTORS)
    others = mix_neighbors(VECTORS[2:3], bank.means[[0, 2]].unsqueeze(0))
    torch.testing.assert_close(bank(VECTORS[2:3], torch.tensor([1])), others)


def test_bank_survives_save_and_load() -> None:
    bank, other = (TrainingSessionBank(ITEMS, OFFSETS, dim=2, neighbors=2) for _ in range(2))
    bank.refresh(VECTORS)
    other.load_state_dict(bank.state_dict())
    torch.testing.assert_close(other(VECTORS[:2]), bank(VECTORS[:2]))


def test_masked_batch_bank_never_looks_into_the_own_session() -> None:
    queries, sessions = torch.tensor([[1.0, 0], [1, 0.1], [0, 1]]), torch.tensor([5, 5, 6])
    masked = BatchBank(1, mask_own_session=True)(queries, sessions)
    torch.testing.assert_close(masked[:2], queries[2].expand(2, 2))
    leaky = BatchBank(1, mask_own_session=False)(queries, sessions)
    torch.testing.assert_close(leaky[0], queries[1])


def test_row_alone_in_its_batch_gets_nothing() -> None:
    alone = BatchBank(3, mask_own_session=True)(torch.tensor([[1.0, 0]]), torch.tensor([0]))
    assert not alone.any()
