"""The shop's exact distribution, against joint probabilities by plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.random import RandomState

from recbole_a2d.data.readers.shop_world import ShopSize, ShopWorld

TINY = ShopSize(
    categories=3,
    items_per_category=2,
    intents=3,
    own_order=2,
    best_sellers=1,
    companion=0.25,
)


@pytest.fixture(scope="module")
def world() -> ShopWorld:
    return ShopWorld.random(TINY, RandomState(3))


def naive_click(world: ShopWorld, prefix: list[int], intent: int, item: int) -> float:
    """P(item | prefix, intent) as the module's docstring says it, one number at a time."""
    category = world.category_of_item
    if not prefix:
        return world.start[intent, category[item]] * world.popularity[item]
    last = prefix[-1]
    within = world.popularity[item]
    if category[item] == category[last]:
        within = (1 - TINY.companion) * within
        within += TINY.companion * (item == world.companion_of_item[last])
    return world.step[intent, category[last], category[item]] * within


def naive_joint(world: ShopWorld, session: list[int]) -> float:
    """P(session), summed over the intents, each equally likely."""
    total = 0.0
    for intent in range(TINY.intents):
        likelihood = 1 / TINY.intents
        for end, item in enumerate(session):
            likelihood *= naive_click(world, session[:end], intent, item)
        total += likelihood
    return total


def test_prediction_is_the_ratio_of_joint_probabilities(world: ShopWorld) -> None:
    for session in ([0, 3, 1, 4, 4], [5, 5, 0, 2], [2, 1]):
        for end, prediction in enumerate(world.predictions(session), start=1):
            for item in range(6):
                ratio = naive_joint(world, [*session[:end], item]) / naive_joint(
                    world, session[:end]
                )
                assert prediction[item] == pytest.approx(ratio, rel=1e-9)


def test_all_sessions_of_three_clicks_sum_to_one(world: ShopWorld) -> None:
    sessions = itertools.product(range(6), repeat=3)
    assert sum(naive_joint(world, list(s)) for s in sessions) == pytest.approx(1)


def test_parameters_are_distributions() -> None:
    world = ShopWorld.random(ShopSize(), RandomState(0))
    assert np.allclose(world.start.sum(1), 1)
    assert np.allclose(world.step.sum(2), 1)
    assert np.allclose(np.bincount(world.category_of_item, world.popularity), 1)
    same = world.category_of_item[world.companion_of_item] == world.category_of_item
    assert same.all()
    assert (world.companion_of_item != np.arange(len(same))).all()
    assert len(np.unique(world.popularity)) == len(same)  # so no ties in a ranking


def test_drawn_sessions_follow_the_predictions(world: ShopWorld) -> None:
    """Calibration: over many rows, the mass given to each rank is the share found there."""
    random = RandomState(1)
    expected, found = np.zeros(6), np.zeros(6)
    for _ in range(3000):
        session = world.session(random)
        for prediction, target in zip(world.predictions(session), session[1:], strict=True):
            order = np.argsort(-prediction, kind="stable")
            expected += prediction[order]
            found[np.flatnonzero(order == target)[0]] += 1
    rows = found.sum()
    deviation = np.sqrt(expected * (1 - expected / rows))
    assert (np.abs(found - expected) < 4 * deviation).all()


def test_lengths() -> None:
    world = ShopWorld.random(ShopSize(max_clicks=4), RandomState(0))
    random = RandomState(5)
    lengths = {len(world.session(random)) for _ in range(200)}
    assert lengths == {2, 3, 4}


def test_intents_differ_in_the_order_of_some_categories() -> None:
    size = ShopSize(categories=10, intents=2, own_order=4, stay=0.2, jump=0.1)
    world = ShopWorld.random(size, RandomState(0))
    following = [(step - 0.2 * np.eye(10)).argmax(1) for step in world.step]
    for order in following:
        assert sorted(order) == list(range(10))
    assert 1 <= (following[0] != following[1]).sum() <= 8
