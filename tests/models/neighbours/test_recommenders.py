"""The baselines behind RecBole's interface."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from recbole_a2d.data.sessions import Sessions
from recbole_a2d.errors import UserError
from recbole_a2d.models import neighbours
from recbole_a2d.models.neighbours import similarity

NAMES = sorted(neighbours.__all__)
EVERY_MODEL = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    def make(name: str, dataset: Any = tiny_dataset, **overrides: Any) -> Any:
        return getattr(neighbours, name)(tiny_config(name, **overrides), dataset)

    return make


@EVERY_MODEL
def test_scores_are_float32_over_all_items(name: str, build: Any, tiny_batch: Any) -> None:
    model, batch = build(name), tiny_batch([[3, 4], []], targets=[5, 2])
    scores = model.full_sort_predict(batch)
    assert scores.dtype == torch.float32 and scores.shape == (2, model.n_items)
    assert torch.equal(model.predict(batch), scores[[0, 1], [5, 2]])


@pytest.mark.parametrize("name", ["SR", "STAN", "VSTAN"])
def test_order_sensitive_methods_walk_the_ring(name: str, build: Any, checks: Any) -> None:
    # sessions walk up a ring of 20 items: of the items not yet clicked, the next one is nearest
    assert checks.cycle_accuracy(build(name), lengths=(2, 3, 4), own_items=False) > 0.9


@EVERY_MODEL
def test_checkpoint_of_tensors_restores_the_scores(
    name: str, build: Any, tiny_dataset: Any, tiny_batch: Any
) -> None:
    model, batch = build(name), tiny_batch([[3, 4], [9], []])
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    tiny_dataset.train = Sessions.from_lists([[1, 2, 5], [2, 1]])
    fresh = build(name, tiny_dataset)
    assert not torch.equal(fresh.full_sort_predict(batch), model.full_sort_predict(batch))
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh.full_sort_predict(batch), model.full_sort_predict(batch))


class SpyConfig(dict[str, Any]):
    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)


@EVERY_MODEL
def test_every_option_of_the_yaml_is_read(
    name: str, tiny_config: Any, tiny_dataset: Any, pytestconfig: pytest.Config
) -> None:
    config = SpyConfig(tiny_config(name))
    getattr(neighbours, name)(config, tiny_dataset)
    path = pytestconfig.rootpath / "properties" / "model" / f"{name}.yaml"
    assert set(yaml.safe_load(path.read_text())) <= config.read


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("SKNN", "neighbors", 0),
        ("SKNN", "neighbors", "many"),
        ("VSKNN", "sample_size", -1),
        ("VSKNN", "idf", "yes"),
        ("VSKNN", "similarity", "jaccard"),
        ("STAN", "lambda1", 0),
        ("STAN", "lambda2", "off"),
        ("STAN", "match_votes", 3),
        ("VSTAN", "lambda3", -2.0),
        ("ItemKNN", "regularization", float("nan")),
        ("SR", "max_steps", 0),
    ],
)
def test_bad_option_is_named(name: str, key: str, value: Any, build: Any) -> None:
    with pytest.raises(UserError, match=key):
        build(name, **{key: value})


def test_options_reach_the_scorer(build: Any) -> None:
    scorer = build(
        "VSTAN", neighbors=7, sample_size=9, lambda1=None, lambda2=0.5, lambda3=3, idf=False
    ).stored.scorer
    assert (scorer.neighbors, scorer.sample_size) == (7, 9)
    assert (scorer.rule.age_scale, scorer.rule.distance_scale) == (0.5, 3.0)
    assert not scorer.rule.inverse_frequency
    weights = scorer.rule.click_weight(np.array([1, 2]), np.array([4, 4]))
    assert weights.tolist() == [1.0, 1.0]
    assert build("VSKNN").stored.scorer.rule == similarity.vsknn()
    cosine = build("VSKNN", similarity="cosine", idf=False).stored.scorer.rule
    assert cosine == similarity.vsknn(inverse_frequency=False, session_norm=True)
