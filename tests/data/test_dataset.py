"""Ids, candidates and the wall between training and held-out sessions."""

from __future__ import annotations

import numpy as np

from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.sessions import Sessions

TOKENS = np.array(["a", "b", "c", "d"], dtype=object)
CATEGORIES = np.array(["x", "y"], dtype=object)


def dataset(train: list[list[int]], held_out: list[list[int]]) -> SessionDataset:
    return SessionDataset.from_codes(
        "tiny",
        Sessions.from_lists(train),
        Sessions.from_lists(held_out),
        TOKENS,
        np.array([1, -1, 0, 1]),
        CATEGORIES,
    )


def test_ids_follow_first_appearance_in_training() -> None:
    made = dataset([[2, 0], [1, 2]], [[0, 1]])
    assert made.item_tokens.tolist() == ["[PAD]", "c", "a", "b"]
    assert made.train.items.tolist() == [1, 2, 3, 1]
    assert made.evaluation.items.tolist() == [2, 3]
    assert made.category_tokens.tolist() == ["[PAD]", "x", "y"]
    assert made.category_of_item.tolist() == [0, 1, 2, 0]
    assert made.num("item_id") == made.item_num == 4


def test_item_of_the_held_out_sessions_is_no_candidate() -> None:
    made = dataset([[2, 0]], [[0, 3, 2]])
    assert made.n_items == 3
    assert made.evaluation.items.tolist() == [2, 0, 1]
    batch = made.evaluation_rows.batch(np.array([0, 1]))
    assert batch["item_id"].tolist() == [0, 1]
    assert batch["item_id_list"].tolist() == [[2], [2]]


def test_training_data_does_not_depend_on_held_out_sessions() -> None:
    one, other = dataset([[2, 0], [1, 2]], [[0, 1]]), dataset([[2, 0], [1, 2]], [[3, 3, 0]])
    assert one.train.items.tolist() == other.train.items.tolist()
    assert one.n_items == other.n_items
    assert one.category_of_item.tolist() == other.category_of_item.tolist()
