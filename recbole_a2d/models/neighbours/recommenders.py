"""The baselines as RecBole models: built as ``Model(config, dataset)``, nothing to train."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.utils import InputType
from torch import Tensor

from recbole_a2d.errors import UserError
from recbole_a2d.models.full_ranking import ScoresAllItems, one_of, whole_number
from recbole_a2d.models.neighbours import similarity
from recbole_a2d.models.neighbours.base import Scorer
from recbole_a2d.models.neighbours.popularity import PopularityScorer, SessionPopularityScorer
from recbole_a2d.models.neighbours.rules import CooccurrenceScorer, RuleScorer
from recbole_a2d.models.neighbours.session_knn import SessionKNN
from recbole_a2d.models.neighbours.stored_scorer import StoredScorer


class CountingRecommender(ScoresAllItems):
    """A scorer behind RecBole's interface; its saved state is the training sessions."""

    trainable = False
    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.stored = StoredScorer(self._make_scorer(config), dataset.train, self.n_items)

    def _make_scorer(self, config: Any) -> Scorer:
        """The scorer with the options of the config; raises UserError for a bad one."""
        raise NotImplementedError

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items, float32 ``[B, n_items]``; column 0 is the pad's."""
        prefixes, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        scores = self.stored.scorer.scores(prefixes.cpu().numpy(), lengths.cpu().numpy())
        return torch.from_numpy(scores).to(prefixes.device)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Refuse: there is no loss."""
        name = type(self).__name__
        raise UserError(f"{name} counts and learns nothing: evaluate it without training")


class Pop(CountingRecommender):
    """Training clicks of an item; the same list for everyone."""

    def _make_scorer(self, config: Any) -> Scorer:
        return PopularityScorer()


class SPop(CountingRecommender):
    """Clicks of an item in the current session, equal counts by Pop."""

    def _make_scorer(self, config: Any) -> Scorer:
        return SessionPopularityScorer()


class ItemKNN(CountingRecommender):
    """Cosine of the sets of sessions that hold an item and the last click."""

    def _make_scorer(self, config: Any) -> Scorer:
        return CooccurrenceScorer(number(config, "regularization", low=0.0))


class SR(CountingRecommender):
    """Sequential rules from the last click."""

    def _make_scorer(self, config: Any) -> Scorer:
        return RuleScorer(whole_number(config, "max_steps", 1))


class NeighborRecommender(CountingRecommender):
    """What the four session-neighbor methods share: the options of the search."""

    def _make_scorer(self, config: Any) -> Scorer:
        sample_size = config["sample_size"]
        if sample_size is not None:
            sample_size = whole_number(config, "sample_size", 0)
        return SessionKNN(self._rule(config), whole_number(config, "neighbors", 1), sample_size)

    def _rule(self, config: Any) -> similarity.NeighborRule:
        """The voting method; raises UserError for a bad option."""
        raise NotImplementedError


class SKNN(NeighborRecommender):
    """Nearest sessions by the cosine of item sets (Jannach and Ludewig, RecSys 2017)."""

    def _rule(self, config: Any) -> similarity.NeighborRule:
        return similarity.sknn()


class VSKNN(NeighborRecommender):
    """SKNN with more weight on recent clicks (Ludewig and Jannach, UMUAI 2018)."""

    def _rule(self, config: Any) -> similarity.NeighborRule:
        kind = one_of(config, "similarity", ("published", "cosine"))
        return similarity.vsknn(switch(config, "idf"), session_norm=kind == "cosine")


class STAN(NeighborRecommender):
    """Decays by click, by age of the session and by distance (Garg et al., SIGIR 2019)."""

    def _rule(self, config: Any) -> similarity.NeighborRule:
        return similarity.stan(**decays(config))


class VSTAN(NeighborRecommender):
    """STAN with VSKNN's idf factor (Ludewig et al., UMUAI 2021)."""

    def _rule(self, config: Any) -> similarity.NeighborRule:
        return similarity.vstan(**decays(config), inverse_frequency=switch(config, "idf"))


def decays(config: Any) -> dict[str, Any]:
    """The options STAN and VSTAN share, as arguments of their rules."""
    scales = {key: scale_or_off(config, key) for key in ("lambda1", "lambda2", "lambda3")}
    return {**scales, "match_votes": switch(config, "match_votes")}


def number(config: Any, key: str, low: float) -> float:
    """Value of a config key that must be a number of at least ``low``.

    Raises:
        UserError: where it is not.
    """
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= low:
        raise UserError(f"{key}: {value!r} is not a number of at least {low}")
    return float(value)


def scale_or_off(config: Any, key: str) -> float | None:
    """Value of a config key that must be a positive number, or null for off.

    Raises:
        UserError: where it is not.
    """
    value = config[key]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UserError(f"{key}: {value!r} is neither a number above 0 nor null (off)")
    return float(value)


def switch(config: Any, key: str) -> bool:
    """Value of a config key that must be True or False."""
    return bool(one_of(config, key, (True, False)))
