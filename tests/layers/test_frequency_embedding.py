"""Counts of items in their rows."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_a2d.layers.frequency_embedding import FrequencyEmbedding, occurrences


@given(st.lists(st.lists(st.integers(-1, 4), min_size=5, max_size=5), min_size=1, max_size=4))
def test_occurrences_equal_list_counts(rows: list[list[int]]) -> None:
    expected = [[row.count(item) if item else 0 for item in row] for row in rows]
    assert occurrences(torch.tensor(rows)).tolist() == expected


def test_counts_above_the_highest_share_a_vector() -> None:
    layer = FrequencyEmbedding(3, 2)
    vectors = layer(torch.tensor([[7, 7, 7, 9, 0]]))[0]
    torch.testing.assert_close(vectors[0], layer.embedding.weight[2])
    torch.testing.assert_close(vectors[3], layer.embedding.weight[1])
    assert vectors[4].abs().sum() == 0
