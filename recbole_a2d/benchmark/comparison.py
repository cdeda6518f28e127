"""Which differences of a group are more than the luck of the test sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbole_a2d.benchmark.entries import METRICS, Entry
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import BETTER, WORSE
from recbole_a2d.benchmark.row_facts import RowFacts, row_facts
from recbole_a2d.benchmark.suites import OURS
from recbole_a2d.data.progress import progress
from recbole_a2d.errors import UserError
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.evaluation.significance import (
    Interval,
    holm,
    paired_bootstrap,
    per_session_metric,
    wilcoxon_p,
)
from recbole_a2d.records import Record, read_ranks

SAMPLES = 2000
"""Resamples of the bootstrap: the ends of a 95 % interval are then stable to about 3 %."""
LEVEL = 0.05
ROUNDING = 1e-9
"""What the same ranks may differ by in a metric, added up on another machine."""


@dataclass(frozen=True)
class Verdict:
    """An entry against the reference, in one metric.

    Attributes:
        interval: entry minus reference with its 95 % bootstrap interval, fractions.
        p: Wilcoxon's, after Holm's correction over the entries of the table.
    """

    interval: Interval
    p: float

    @property
    def mark(self) -> str:
        """▲ or ▼ where both tests agree that the entry is better or worse; else nothing."""
        if self.p >= LEVEL:
            return ""
        if self.interval.low > 0:
            return BETTER
        return WORSE if self.interval.high < 0 else ""


Verdicts = dict[tuple[str, str], Verdict]
"""By entry key and metric."""


class Statistics:
    """Per-session statistics of the records of a results folder.

    Args:
        results: results folder.
        data_path: folder of the data sets; only read where ``results/rows`` lacks a data set.
    """

    def __init__(self, results: Path, data_path: Path) -> None:
        self.results = results
        self.data_path = data_path
        self._values: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._pairs: dict[tuple[str, str, str], tuple[Interval, float]] = {}

    def facts(self, group: Group) -> RowFacts | None:
        """Facts of the group's test rows; None where the data set is not here."""
        return row_facts(self.results, group.dataset, group.fingerprint, self.data_path)

    def ranks(self, record: Record, rows: int) -> NDArray[np.int64]:
        """Ranks of a run.

        Raises:
            UserError: they cannot be read, are not of these rows, or do not make the figures of
                the record.
        """
        ranks, path = read_ranks(self.results, record.run), f"{self.results}/ranks/{record.run}.npz"
        if len(ranks) != rows:
            raise UserError(
                f"{path} holds {len(ranks)} ranks and the data set has {rows} test rows; "
                "with --fresh run the model again"
            )
        for metric, value in metrics_from_ranks(ranks, ks=(20,)).items():
            if abs(value - record.test[metric]) > ROUNDING:
                raise UserError(
                    f"{path} makes {metric} {value:.6f} and the record says "
                    f"{record.test[metric]:.6f}; restore both, or with --fresh run the model again"
                )
        return ranks

    def compare(self, group: Group, entries: Sequence[Entry], reference: Entry) -> Verdicts:
        """Every entry against the reference; empty where the sessions of the rows are unknown.

        Holm's correction is over ``entries``, each metric by itself.
        """
        facts = self.facts(group)
        rivals = [entry for entry in entries if entry.key != reference.key]
        if facts is None or not rivals:
            return {}
        verdicts: Verdicts = {}
        for metric, _ in METRICS:
            found = {
                entry.key: self._pair(facts, entry, reference, metric)
                for entry in progress(rivals, f"{group.dataset} {metric}")
            }
            adjusted = holm({key: p for key, (_, p) in found.items()})
            for key, (interval, _) in found.items():
                verdicts[key, metric] = Verdict(interval, adjusted[key])
        return verdicts

    def _pair(
        self, facts: RowFacts, entry: Entry, reference: Entry, metric: str
    ) -> tuple[Interval, float]:
        key = (entry.key, reference.key, metric)
        if key not in self._pairs:
            first, second = (self._of_sessions(facts, e, metric) for e in (entry, reference))
            rows = np.unique(facts.session, return_counts=True)[1]
            interval = paired_bootstrap(first, second, rows, samples=SAMPLES)
            self._pairs[key] = interval, wilcoxon_p(first, second)
        return self._pairs[key]

    def _of_sessions(self, facts: RowFacts, entry: Entry, metric: str) -> NDArray[np.float64]:
        """Mean of a metric in each session, over the entry's seeds, ``[sessions]``."""
        key = (entry.key, metric)
        if key not in self._values:
            of_seeds = []
            for record in entry.records:
                found = per_session_metric(self.ranks(record, len(facts)), facts.session, 20)
                of_seeds.append(found.hit if metric == "hit@20" else found.reciprocal_rank)
            self._values[key] = np.mean(of_seeds, axis=0)
        return self._values[key]


def reference_of(group: Group) -> Entry | None:
    """What the others of a group are compared with: A2D-MTL, else the best MRR@20.

    None where there are no results; what is of the leak audit or of Figure 3 alone is nobody's
    measure.
    """
    best = [*group.models, *group.results]
    return group.find(OURS) or (best[0] if best else None)
