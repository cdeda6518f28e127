"""Marks of significance: given where there is a difference, not where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_a2d.benchmark.comparison import Statistics, reference_of
from recbole_a2d.benchmark.groups import comparable
from recbole_a2d.benchmark.layout import BETTER, WORSE
from recbole_a2d.errors import UserError


def verdicts(records: list[Any], tmp_path: Path, data: Path) -> dict[tuple[str, str], Any]:
    group = comparable(records)[0]
    statistics = Statistics(tmp_path / "results", data)
    measure = reference_of(group)
    assert measure is not None
    found = statistics.compare(group, group.entries, measure)
    label = {entry.key: entry.label for entry in group.entries}
    return {(label[key], metric): verdict for (key, metric), verdict in found.items()}


def test_marks(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    reference = make_record(good=0.3)
    records = [
        reference,
        make_record("GRU4Rec", good=0.6),
        make_record("STAMP", good=0.05),
        make_record("NARM", good=0.3),
    ]
    found = verdicts(records, tmp_path, shop_data)
    marks = {label: verdict.mark for (label, metric), verdict in found.items() if "hit" in metric}
    assert marks == {
        "GRU4Rec (RecBole)": BETTER,
        "STAMP (RecBole)": WORSE,
        "NARM (RecBole)": "",
    }
    better = found["GRU4Rec (RecBole)", "hit@20"].interval
    assert better.low < better.difference < better.high
    assert better.difference == pytest.approx(
        records[1].test["hit@20"] - reference.test["hit@20"], abs=1e-12
    )


def test_a_few_rows_of_luck_get_no_mark(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    rows = make_record(good=0.3).test_rows
    ranks = np.where(np.arange(rows) % 100 < 30, 1, 50)
    lucky = ranks.copy()
    lucky[np.flatnonzero(ranks == 50)[:2]] = 1
    found = verdicts(
        [make_record(ranks=ranks), make_record("GRU4Rec", ranks=lucky)], tmp_path, shop_data
    )
    assert found["GRU4Rec (RecBole)", "hit@20"].interval.difference > 0
    assert {verdict.mark for verdict in found.values()} == {""}


def test_seeds_are_averaged_within_sessions(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    """A good and a bad seed of one model are together no better than the middle one."""
    rivals = [make_record("GRU4Rec", seed=1, good=0.1), make_record("GRU4Rec", seed=2, good=0.5)]
    found = verdicts([make_record(good=0.3), *rivals], tmp_path, shop_data)
    middle = (rivals[0].test["hit@20"] + rivals[1].test["hit@20"]) / 2
    ours = 0.3
    difference = found["GRU4Rec (RecBole)", "hit@20"].interval.difference
    assert difference == pytest.approx(middle - ours, abs=0.01)


def test_holm_counts_the_rivals(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    pair = [make_record(good=0.3), make_record("GRU4Rec", good=0.36)]
    alone = verdicts(pair, tmp_path, shop_data)
    more = [make_record(name, good=0.3) for name in ("STAMP", "NARM", "CORE")]
    among = verdicts([*pair, *more], tmp_path, shop_data)
    key = ("GRU4Rec (RecBole)", "hit@20")
    assert among[key].p == pytest.approx(min(1.0, 4 * alone[key].p))


def test_unknown_rows_give_no_verdicts(make_record: Any, tmp_path: Path) -> None:
    records = [make_record(fingerprint="x"), make_record("GRU4Rec", fingerprint="x")]
    assert verdicts(records, tmp_path, tmp_path) == {}


def test_ranks_of_other_rows_are_refused(make_record: Any, tmp_path: Path, shop_data: Path) -> None:
    records = [make_record(), make_record("GRU4Rec", ranks=np.ones(5, int))]
    with pytest.raises(UserError, match="holds 5 ranks.*with --fresh run the model again"):
        verdicts(records, tmp_path, shop_data)


def test_ranks_of_another_run_are_refused(
    make_record: Any, tmp_path: Path, shop_data: Path
) -> None:
    records = [make_record(good=0.3), make_record("GRU4Rec", good=0.6)]
    ours, theirs = (tmp_path / "results" / "ranks" / f"{record.run}.npz" for record in records)
    theirs.write_bytes(ours.read_bytes())
    with pytest.raises(UserError, match=r"GRU4Rec-\w+\.npz makes hit@20 0\.3.* says 0\.(59|6)"):
        verdicts(records, tmp_path, shop_data)


def reference(records: list[Any]) -> str | None:
    found = reference_of(comparable(records)[0])
    return None if found is None else found.model


def test_reference_is_ours_else_the_best(make_record: Any) -> None:
    rivals = [make_record("GRU4Rec", good=0.9), make_record("STAMP", good=0.1)]
    assert reference(rivals) == "GRU4Rec"
    assert reference([*rivals, make_record(good=0.2)]) == "A2DMTL"


def test_what_leaks_is_nobodys_measure(make_record: Any) -> None:
    leaky = [
        make_record(session_bank="batch_leaky", good=0.99, **also)
        for also in ({}, {"epochs": 3}, {"evaluation_order": "file"})
    ]
    assert reference(leaky) is None
    assert reference([*leaky, make_record("GRU4Rec", good=0.1)]) == "GRU4Rec"
