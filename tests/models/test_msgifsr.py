"""MSGIFSR: the behaviour every model must show, in each of its settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_a2d.errors import UserError
from recbole_a2d.models.msgifsr import MSGIFSR

SMALL = {"embedding_size": 16, "heads": 2}
SETTINGS = [
    {"order": 1, "renormalise": False, "fuse": False},
    {"order": 2, "renormalise": True, "fuse": False},
    {"order": 3, "renormalise": True, "fuse": True},
    {"order": 2, "renormalise": False, "fuse": True, "layers": 2},
]


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    return lambda **changes: MSGIFSR(tiny_config("MSGIFSR", **{**SMALL, **changes}), tiny_dataset)


@pytest.mark.parametrize("settings", [SETTINGS[0], SETTINGS[1], SETTINGS[3]])
def test_behaviour(settings: dict[str, Any], build: Any, checks: Any) -> None:
    checks.all(build(**settings))


def test_single_items_learn_the_ring(build: Any, checks: Any) -> None:
    checks.learns_cycle(build(**SETTINGS[0]), steps=80)


@pytest.mark.parametrize("settings", SETTINGS)
def test_loss_agrees_with_ranking(
    settings: dict[str, Any], build: Any, checks: Any, tiny_batch: Any
) -> None:
    """The loss is the mean negative log-probability that the ranking gives the targets."""
    model = build(**settings).eval()
    targets = [4, 10, 9, 4, 1]
    batch = tiny_batch(checks.prefixes, targets)
    scores = model.full_sort_predict(batch)[:, 1:].log_softmax(1)
    expected = -scores[torch.arange(5), torch.tensor(targets) - 1].mean()
    torch.testing.assert_close(model.calculate_loss(batch), expected, rtol=1e-4, atol=1e-5)


def test_longer_units_matter(build: Any, checks: Any) -> None:
    model = build(order=3, renormalise=False, fuse=False)
    before = checks.scores(model, [[3, 4, 5]])
    with torch.no_grad():
        for parameter in model.encoder.recurrent.parameters():
            parameter.add_(1.0)
    assert (before - checks.scores(model, [[3, 4, 5]])).abs().max() > 1e-3


def test_short_sessions_have_every_granularity(build: Any, tiny_batch: Any) -> None:
    model = build(order=3).eval()
    vectors = model.session_vectors(tiny_batch([[3], [3, 4]]))
    assert vectors.shape == (2, 3, 16)
    torch.testing.assert_close(vectors.norm(dim=2), torch.ones(2, 3))


def test_mixture_starts_with_single_items(build: Any) -> None:
    assert build(order=3, fuse=True).mixture.tolist() == [1.0, 0.0, 0.0]


def test_bad_settings_are_named(build: Any) -> None:
    with pytest.raises(UserError, match="order is 0; it must be a whole number of at least 1"):
        build(order=0)
