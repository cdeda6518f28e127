"""The embedded shop: its bytes, its best scores, and what its categories are worth."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState

from recbole_a2d.data.atomic import read_atomic, write_atomic
from recbole_a2d.data.preprocess import VALID_FRACTION
from recbole_a2d.data.readers import READERS
from recbole_a2d.data.readers.shop import SEED, SESSIONS, best_scores
from recbole_a2d.data.readers.shop_world import ShopSize, ShopWorld
from recbole_a2d.data.tables import ConvertedLog
from recbole_a2d.errors import UserError

EMBEDDED = Path(__file__).parents[3] / "dataset_atomic" / "shop"


def read(**options: Any) -> ConvertedLog:
    arguments = {"name": "shop", "seed": SEED, "sessions": SESSIONS}
    arguments["valid_fraction"] = VALID_FRACTION
    return READERS["shop"].read(Namespace(**(arguments | options)))


@pytest.fixture(scope="module")
def shop() -> ConvertedLog:
    return read()


def test_the_embedded_set_is_what_convert_makes(shop: ConvertedLog, tmp_path: Path) -> None:
    write_atomic(tmp_path / "shop", shop)
    made = {path.name: path.read_bytes() for path in (tmp_path / "shop").iterdir()}
    embedded = {path.name: path.read_bytes() for path in EMBEDDED.iterdir()}
    assert made == embedded
    assert sum(map(len, embedded.values())) < 1_000_000


def test_another_seed_is_another_shop(shop: ConvertedLog) -> None:
    other = read(seed=8, sessions=200)
    again = read(seed=8, sessions=200)
    assert other.train.items.tolist() == again.train.items.tolist()
    n_clicks = len(other.train.items)
    assert other.item_tokens[other.train.items].tolist() != (
        shop.item_tokens[shop.train.items[:n_clicks]].tolist()
    )


def test_best_scores_against_plain_loops() -> None:
    size = ShopSize(categories=6, items_per_category=6, own_order=3, best_sellers=2)
    random = RandomState(2)
    world = ShopWorld.random(size, random)
    sessions = [world.session(random) for _ in range(40)]
    candidates = np.arange(36) != sessions[0][1]
    hits = reciprocals = expected_hit = expected_reciprocal = rows = 0.0
    for session in sessions:
        for prediction, target in zip(world.predictions(session), session[1:], strict=True):
            ranking = sorted(np.flatnonzero(candidates).tolist(), key=lambda i: -prediction[i])[:20]
            rows += 1
            expected_hit += sum(prediction[item] for item in ranking)
            expected_reciprocal += sum(prediction[i] / (n + 1) for n, i in enumerate(ranking))
            if target in ranking:
                hits += 1
                reciprocals += 1 / (ranking.index(target) + 1)
    best = best_scores(world, sessions, candidates)
    assert best == {
        "hit@20": round(hits / rows, 4),
        "mrr@20": round(reciprocals / rows, 4),
        "expected_hit@20": round(expected_hit / rows, 4),
        "expected_mrr@20": round(expected_reciprocal / rows, 4),
    }


def test_best_scores_of_the_embedded_set(shop: ConvertedLog) -> None:
    manifest = read_atomic(EMBEDDED).manifest
    assert manifest is not None
    assert manifest.best == shop.best
    assert shop.best is not None
    assert 0.5 <= shop.best["hit@20"] <= 0.7
    deviation = np.sqrt(0.25 / shop.test.rows)
    assert abs(shop.best["hit@20"] - shop.best["expected_hit@20"]) < 4 * deviation
    assert abs(shop.best["mrr@20"] - shop.best["expected_mrr@20"]) < 4 * deviation


def counted_hit_rate(shop: ConvertedLog, group_of_item: Any) -> float:
    """Hit rate of counted moves between groups, times the popularity inside the group."""
    # items that only test sessions click have no category: a group of their own
    group_of_item = np.where(group_of_item < 0, group_of_item.max() + 1, group_of_item)
    n_items, groups = len(shop.item_tokens), group_of_item.max() + 1
    moves = np.full((groups, groups), 0.01)
    clicks = np.full(n_items, 0.3)
    training = shop.train.append(shop.valid)
    for number in range(len(training)):
        session = training[number]
        np.add.at(clicks, session, 1)
        np.add.at(moves, (group_of_item[session[:-1]], group_of_item[session[1:]]), 1)
    moves /= moves.sum(1, keepdims=True)
    inside = clicks / np.bincount(group_of_item, clicks)[group_of_item]
    hits = []
    for number in range(len(shop.test)):
        session = shop.test[number]
        for last, target in zip(session[:-1], session[1:], strict=True):
            scores = moves[group_of_item[last], group_of_item] * inside
            hits.append((scores >= scores[target]).sum() <= 20)
    return float(np.mean(hits))


def test_categories_tell_what_item_ids_cannot(shop: ConvertedLog) -> None:
    """Counting alone: by category it comes close to the best, by item it stays far behind."""
    assert shop.best is not None
    by_category = counted_hit_rate(shop, shop.category_of_code)
    by_item = counted_hit_rate(shop, np.arange(len(shop.item_tokens)))
    assert by_item < 0.75 * shop.best["hit@20"]
    assert 0.9 * shop.best["hit@20"] < by_category < shop.best["hit@20"]


def test_bad_options() -> None:
    with pytest.raises(UserError, match="--sessions of at least 10"):
        read(sessions=3)
    with pytest.raises(UserError, match="--seed"):
        read(seed=-1)
