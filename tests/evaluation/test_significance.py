"""Session statistics against loops, known intervals and published corrections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from recbole_a2d.evaluation import significance
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.evaluation.significance import (
    holm,
    paired_bootstrap,
    per_session_metric,
    wilcoxon_p,
)

ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=40)


class TestPerSessionMetric:
    @given(ROWS)
    def test_equals_the_loop(self, rows: list[tuple[int, int]]) -> None:
        ranks, sessions = np.array(rows).T
        got = per_session_metric(ranks, sessions, 20)
        assert got.session.tolist() == sorted(set(sessions.tolist()))
        for place, session in enumerate(got.session):
            own = [rank for rank, number in rows if number == session]
            hit = [1 if 1 <= rank <= 20 else 0 for rank in own]
            inverse = [1 / rank if 1 <= rank <= 20 else 0 for rank in own]
            assert got.rows[place] == len(own)
            assert got.hit[place] == pytest.approx(sum(hit) / len(own))
            assert got.reciprocal_rank[place] == pytest.approx(sum(inverse) / len(own))

    @given(ROWS)
    def test_weighted_by_rows_it_is_the_reported_metric(self, rows: list[tuple[int, int]]) -> None:
        ranks, sessions = np.array(rows).T
        got, reported = per_session_metric(ranks, sessions, 10), metrics_from_ranks(ranks, (10,))
        assert np.average(got.hit, weights=got.rows) == pytest.approx(reported["hit@10"])
        assert np.average(got.reciprocal_rank, weights=got.rows) == pytest.approx(
            reported["mrr@10"]
        )

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(ValueError, match="session number"):
            per_session_metric(np.array([1, 2]), np.array([0]), 20)


class TestPairedBootstrap:
    def test_difference_is_row_weighted(self) -> None:
        interval = paired_bootstrap(np.array([1.0, 0.0]), np.zeros(2), np.array([3, 1]), samples=10)
        assert interval.difference == 0.75

    def test_equals_the_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(significance, "_DRAWS_AT_ONCE", 1)  # one resample at a time
        random = np.random.default_rng(5)
        first, second, rows = random.random(6), random.random(6), random.integers(1, 5, 6)
        got = paired_bootstrap(first, second, rows, samples=50, level=0.8, seed=3)
        draws, differences = np.random.default_rng(3), []
        for _ in range(50):
            drawn = draws.integers(6, size=(1, 6))[0]
            total = sum(rows[i] for i in drawn)
            differences.append(sum(rows[i] * (first[i] - second[i]) for i in drawn) / total)
        expected = np.quantile(differences, [0.1, 0.9])
        assert [got.low, got.high] == pytest.approx(expected.tolist())

    def test_interval_has_the_known_width(self) -> None:
        """One row a session: the mean of n coin-like differences has a known spread."""
        random = np.random.default_rng(0)
        first = (random.random(4000) < 0.3).astype(float)
        interval = paired_bootstrap(first, np.zeros(4000), np.ones(4000, int), samples=2000)
        low, high = binom(4000, first.mean()).ppf([0.025, 0.975]) / 4000
        assert interval.low == pytest.approx(low, abs=0.002)
        assert interval.high == pytest.approx(high, abs=0.002)

    def test_rows_of_one_session_are_no_independent_evidence(self) -> None:
        random = np.random.default_rng(0)
        gains = random.normal(size=100)
        grouped = paired_bootstrap(gains, np.zeros(100), np.full(100, 9), samples=1000)
        loose = paired_bootstrap(
            np.repeat(gains, 9), np.zeros(900), np.ones(900, int), samples=1000
        )
        assert grouped.high - grouped.low > 2.5 * (loose.high - loose.low)

    def test_pairing_removes_what_the_models_share(self) -> None:
        shared = np.random.default_rng(0).random(500)
        interval = paired_bootstrap(shared + 0.01, shared, np.ones(500, int), samples=200)
        assert interval.low == pytest.approx(0.01)
        assert interval.high == pytest.approx(0.01)

    def test_seed_decides_the_draws(self) -> None:
        first, rows = np.random.default_rng(0).random(30), np.ones(30, int)

        def interval(seed: int) -> significance.Interval:
            return paired_bootstrap(first, np.zeros(30), rows, samples=99, seed=seed)

        assert interval(1) == interval(1)
        assert interval(1) != interval(2)

    def test_no_sessions_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="session"):
            paired_bootstrap(np.array([]), np.array([]), np.array([]))


class TestWilcoxon:
    def test_value_worked_out_by_hand(self) -> None:
        """Gains 1, 2, 3, 4, 5: one of 32 sign patterns a side, p = 2 / 32."""
        gains = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
        assert wilcoxon_p(gains, np.zeros(5)) == pytest.approx(2 / 32)

    def test_equal_models(self) -> None:
        values = np.array([0.1, 0.5, 1.0])
        assert wilcoxon_p(values, values) == 1.0

    def test_rounding_noise_is_no_difference(self) -> None:
        values = np.array([0.1, 0.2, 0.3])
        assert wilcoxon_p(values, values + 1e-15) == 1.0

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(ValueError, match="one value a session"):
            wilcoxon_p(np.array([1.0]), np.array([1.0, 2.0]))


class TestHolm:
    def test_values_worked_out_by_hand(self) -> None:
        got = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
        assert got == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
        assert list(got) == ["a", "b", "c", "d"]

    @given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6))
    def test_between_the_raw_and_bonferroni_values(self, p_values: dict[str, float]) -> None:
        adjusted = holm(p_values)
        ordered = [adjusted[name] for name in sorted(p_values, key=p_values.__getitem__)]
        assert ordered == sorted(ordered)
        for name, p in p_values.items():
            assert p <= adjusted[name] <= 1

    def test_nonsense_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="between 0 and 1"):
            holm({"a": float("nan")})
