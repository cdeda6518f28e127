"""Items through the graph, and the row's own edge left out of it."""

from __future__ import annotations

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recbole_a2d.data.graphs import count_transitions, own_transition_counts, strongest_neighbors
from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.layers.item_encoder import ItemGraphEncoder
from recbole_a2d.layers.item_vectors import ItemVectors

LISTS = [[1, 2, 1, 3], [1, 2], [2, 4, 2]]
SESSIONS = Sessions.from_lists(LISTS)


def encoder(sessions: Sessions = SESSIONS, limit: int = 3) -> ItemGraphEncoder:
    torch.manual_seed(4)
    graph = strongest_neighbors(count_transitions(sessions, 5), limit + 1)
    return ItemGraphEncoder(5, graph)


def table() -> ItemVectors:
    torch.manual_seed(5)
    return ItemVectors(torch.randn(5, 5))


def test_clicks_are_their_items_vectors() -> None:
    made, vectors = encoder(), table()
    prefixes = torch.tensor([[1, 2, 1], [4, 0, 0]])
    clicks = made(vectors, prefixes, torch.tensor([3, 1]))
    every = made.encode(vectors, torch.arange(5))
    torch.testing.assert_close(clicks, every[prefixes])


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=6), min_size=1, max_size=8),
    st.integers(1, 3),
)
@example(LISTS, 3)
def test_own_edge_is_counted_without_the_own_session(lists: list[list[int]], limit: int) -> None:
    """Each training row sees the graph that its own session's steps to the target never made."""
    sessions = Sessions.from_lists(lists)
    made, vectors, rows = encoder(sessions, limit), table(), PrefixRows.of(sessions, 50)
    own = torch.from_numpy(own_transition_counts(rows))
    for row in range(len(rows)):
        batch = rows.batch(torch.tensor([row]).numpy())
        last, target = int(batch["item_id_list"][0, -1]), int(batch["item_id"][0])
        without = encoder(_without(lists, int(rows.session[row]), last, target), limit)
        found = made(
            vectors, batch["item_id_list"], batch["item_length"], batch["item_id"], own[[row]]
        )
        expected = without.encode(vectors, torch.tensor([last]))[0]
        for place, item in enumerate(batch["item_id_list"][0].tolist()):
            if item == last:
                torch.testing.assert_close(found[0, place], expected)


def _without(lists: list[list[int]], session: int, last: int, target: int) -> Sessions:
    """The sessions with one session's steps last -> target taken apart."""
    parts: list[list[int]] = []
    for number, clicks in enumerate(lists):
        parts.append([clicks[0]])
        for before, after in zip(clicks, clicks[1:], strict=False):
            if number == session and (before, after) == (last, target):
                parts.append([])
            parts[-1].append(after)
    return Sessions.from_lists(parts)


def test_a_batch_is_its_rows() -> None:
    made, vectors, rows = encoder(), table(), PrefixRows.of(SESSIONS, 50)
    own = torch.from_numpy(own_transition_counts(rows))
    batch = rows.batch(torch.arange(len(rows)).numpy())
    together = made(vectors, batch["item_id_list"], batch["item_length"], batch["item_id"], own)
    for row in range(len(rows)):
        one = rows.batch(torch.tensor([row]).numpy())
        alone = made(vectors, one["item_id_list"], one["item_length"], one["item_id"], own[[row]])
        torch.testing.assert_close(together[row, : alone.shape[1]], alone[0])
