"""A shop whose next click has a known distribution, so that the best reachable scores are known.

A session has one hidden intent ``g`` for all of its clicks. Intents walk through the categories,
in an order of their own where they differ and in the common order elsewhere: the next click stays
in the category, goes on to the category that follows in the intent's order, or jumps anywhere.
Inside a category a shopper takes an item by its popularity (few best sellers, many rare items);
one who stays may take the companion of the item before. With ``c(i)`` the category of item ``i``:

.. math::
    P(i | x, g) = S_g[c(x_{last}), c(i)] \\, W(i | x_{last})

    W(i | j) = (1 - b\\,[c(i) = c(j)]) \\, pop(i) + b\\,[i = companion(j)]

The clicks show everything but the intent. Its posterior follows from Bayes' rule, click by click,
so that ``P(i | x) = sum_g P(g | x) P(i | x, g)`` is exact, and ranking by it is the best that any
model can do in hit rate and in reciprocal rank.

Why categories help: a rare item has a dozen training clicks or less, far from enough to learn
from its id alone where its shoppers go next, while its category has hundreds. Why the whole
session helps: only an earlier move between categories tells the intents apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from recbole_a2d.data.sessions import IntArray
from recbole_a2d.data.tables import FloatArray


@dataclass(frozen=True)
class ShopSize:
    """Size and habits of a shop.

    Attributes:
        categories, items_per_category, intents: how many.
        own_order: in how many categories an intent has an order of its own.
        stay, jump: probability to stay in the category, and to jump to any.
        companion: probability that one who stays takes the companion.
        best_sellers, best_seller_share: how many items of a category get which share of its clicks.
        mean_more_clicks: clicks after the second, on average.
        max_clicks: longest session.
    """

    categories: int = 30
    items_per_category: int = 40
    intents: int = 2
    own_order: int = 8
    stay: float = 0.2
    jump: float = 0.2
    companion: float = 0.1
    best_sellers: int = 4
    best_seller_share: float = 0.5
    mean_more_clicks: float = 1.8
    max_clicks: int = 20


@dataclass(frozen=True)
class ShopWorld:
    """The parameters of a shop.

    Attributes:
        size: what it was made with.
        category_of_item: shape ``[items]``.
        popularity: share of an item within its category, shape ``[items]``.
        companion_of_item: an item of the same category, shape ``[items]``.
        start: first category by intent, shape ``[intents, categories]``.
        step: next category by intent and category, shape ``[intents, categories, categories]``.
    """

    size: ShopSize
    category_of_item: IntArray
    popularity: FloatArray
    companion_of_item: IntArray
    start: FloatArray
    step: FloatArray

    @classmethod
    def random(cls, size: ShopSize, random: RandomState) -> ShopWorld:
        """Draw a shop."""
        n_items = size.categories * size.items_per_category
        category_of_item = random.permutation(np.arange(n_items) % size.categories)
        popularity = _popularity(size, category_of_item, random)
        start, step = _errands(size, random)
        return cls(
            size, category_of_item, popularity, _companions(category_of_item, random), start, step
        )

    def first_click(self) -> FloatArray:
        """Distribution of a session's first click, shape ``[intents, items]``."""
        return self.start[:, self.category_of_item] * self.popularity

    def next_click(self, last: int) -> FloatArray:
        """Distribution of the click after ``last``, shape ``[intents, items]``."""
        category = self.category_of_item[last]
        share = self.popularity * (1 - self.size.companion * (self.category_of_item == category))
        share[self.companion_of_item[last]] += self.size.companion
        moves: FloatArray = self.step[:, category, self.category_of_item] * share
        return moves

    def predictions(self, session: Sequence[int]) -> Iterator[FloatArray]:
        """Exact ``P(next click | clicks so far)`` for every click but the first, ``[items]``."""
        belief = self.first_click()[:, session[0]] / len(self.start)
        for last, target in zip(session[:-1], session[1:], strict=True):
            belief = belief / belief.sum()
            by_intent = self.next_click(last)
            yield (belief[:, np.newaxis] * by_intent).sum(0)
            belief = belief * by_intent[:, target]

    def session(self, random: RandomState) -> list[int]:
        """Draw a session of two or more clicks."""
        intent = int(random.random_sample() * self.size.intents)
        clicks = [_draw(self.first_click()[intent], random)]
        more = self.size.mean_more_clicks / (1 + self.size.mean_more_clicks)
        while len(clicks) < 2 or random.random_sample() < more:
            clicks.append(_draw(self.next_click(clicks[-1])[intent], random))
            if len(clicks) == self.size.max_clicks:
                break
        return clicks


def _draw(probabilities: FloatArray, random: RandomState) -> int:
    reach = np.cumsum(probabilities)
    return int(np.searchsorted(reach, random.random_sample() * reach[-1], side="right"))


def _errands(size: ShopSize, random: RandomState) -> tuple[FloatArray, FloatArray]:
    """First and next category of every intent; intents differ in the order of some categories."""
    categories = np.arange(size.categories)
    start = np.full((size.intents, size.categories), 1 / size.categories)
    step = np.full((size.intents, size.categories, size.categories), size.jump / size.categories)
    common_order = _round_trip(random.permutation(size.categories))
    for intent in range(size.intents):
        following = common_order.copy()
        own = random.permutation(size.categories)[: size.own_order]
        following[own] = np.roll(following[own], 1)
        step[intent, categories, categories] += size.stay
        step[intent, categories, following] += 1 - size.stay - size.jump
    return start, step


def _round_trip(order: IntArray) -> IntArray:
    """The category after each, on a walk through all in this order."""
    following = np.empty_like(order)
    following[order] = np.roll(order, -1)
    return following


def _popularity(size: ShopSize, category_of_item: IntArray, random: RandomState) -> FloatArray:
    """A few best sellers share most of a category's clicks; shares are uneven, so never tied."""
    share = 0.9 + 0.2 * random.random_sample(len(category_of_item))
    for category in range(size.categories):
        members = np.flatnonzero(category_of_item == category)
        best, rare = members[: size.best_sellers], members[size.best_sellers :]
        share[best] *= size.best_seller_share / share[best].sum()
        share[rare] *= (1 - size.best_seller_share) / share[rare].sum()
    return share


def _companions(category_of_item: IntArray, random: RandomState) -> IntArray:
    """Another item of the same category for every item."""
    companions = np.empty_like(category_of_item)
    for category in np.unique(category_of_item):
        ring = random.permutation(np.flatnonzero(category_of_item == category))
        companions[ring] = np.roll(ring, -1)
    return companions
