"""Metrics against hand-computed values and RecBole's own evaluator."""

import numpy as np
import pytest
import torch
from recbole.evaluator import Collector, Evaluator

from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.evaluation.ranks import target_ranks


def test_values_computed_by_hand() -> None:
    metrics = metrics_from_ranks(np.array([1, 3, 0, 7]), ks=(1, 5))
    assert metrics["hit@1"] == 0.25
    assert metrics["mrr@1"] == 0.25
    assert metrics["ndcg@1"] == 0.25
    assert metrics["hit@5"] == 0.5
    assert metrics["mrr@5"] == pytest.approx((1 + 1 / 3) / 4)
    assert metrics["ndcg@5"] == pytest.approx((1 + 1 / 2) / 4)


def test_default_cut_offs() -> None:
    names = {f"{name}@{k}" for name in ("hit", "mrr", "ndcg") for k in (5, 10, 20)}
    assert set(metrics_from_ranks(np.array([1]))) == names


def recbole_metrics(scores: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    config = {
        "metrics": ["Hit", "MRR", "NDCG"],
        "topk": [5, 10, 20],
        "metric_decimal_place": 12,
        "eval_args": {"mode": "full"},
        "device": torch.device("cpu"),
    }
    scores = scores.clone()
    scores[:, 0] = -torch.inf  # as RecBole's trainer does before it collects
    collector = Collector(config)
    rows = torch.arange(len(targets))
    collector.eval_batch_collect(scores, None, rows, targets)
    metrics: dict[str, float] = Evaluator(config).evaluate(collector.get_data_struct())
    return metrics


def test_equal_to_recbole_without_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    # RecBole's Config puts this alias back for its own metrics; none is built here.
    monkeypatch.setattr(np, "float", float, raising=False)
    generator = torch.Generator().manual_seed(3)
    n_rows, n_items = 300, 60
    scores = torch.stack([torch.randperm(n_items, generator=generator) for _ in range(n_rows)])
    targets = torch.randint(1, n_items, (n_rows,), generator=generator)
    ours = metrics_from_ranks(target_ranks(scores.float(), targets).numpy())
    theirs = recbole_metrics(scores.float(), targets)
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(float(value), abs=1e-9)


def test_no_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rows"):
        metrics_from_ranks(np.array([], dtype=np.int64))


def test_negative_rank_is_an_error() -> None:
    with pytest.raises(ValueError, match="-2"):
        metrics_from_ranks(np.array([1, -2]))
