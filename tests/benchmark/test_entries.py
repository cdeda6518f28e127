"""Which records may stand in one table, and under which name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recbole_a2d.benchmark.entries import LEAK_KEYS, changed_settings, same_seeds
from recbole_a2d.benchmark.groups import comparable
from recbole_a2d.benchmark.leak_table import audits
from recbole_a2d.run_names import stands_for


def test_only_like_records_are_compared(make_record: Any) -> None:
    records = [
        make_record(),
        make_record("GRU4Rec"),
        make_record("STAMP", preset="paper"),
        make_record("NARM", train_fraction=0.5),
        make_record("SRGNN", protocol="test_selected"),
        make_record("CORE", fingerprint="other"),
        make_record("Pop", trained=False),
    ]
    groups = comparable(records)
    held = sorted(sorted(entry.model for entry in group.entries) for group in groups)
    assert held == [["A2DMTL", "GRU4Rec", "Pop"], ["CORE"], ["NARM"], ["Pop", "STAMP"], ["SRGNN"]]
    whole = sorted(group.clean and group.scale.whole for group in groups)
    assert whole == [False, False, True, True, True]


def test_whole_runs_stand_before_those_on_a_share(make_record: Any) -> None:
    records = [make_record(train_fraction=share) for share in (0.25, 1.0, 0.5)]
    assert [group.train_fraction for group in comparable(records)] == [1.0, 0.5, 0.25]


def test_seeds_become_mean_and_deviation(make_record: Any) -> None:
    records = [make_record("GRU4Rec", seed=s, good=g) for s, g in ((1, 0.2), (2, 0.4), (3, 0.6))]
    (entry,) = comparable(records)[0].entries
    assert [record.seed for record in entry.records] == [1, 2, 3]
    assert entry.mean("hit@20") == pytest.approx(0.4, abs=0.01)
    assert entry.deviation("hit@20") == pytest.approx(0.2, abs=0.02)
    assert entry.label == "GRU4Rec (RecBole)"


def test_one_seed_has_no_deviation(make_record: Any) -> None:
    (entry,) = comparable([make_record()])[0].entries
    assert entry.deviation("hit@20") is None


def test_changed_settings_name_an_entry(make_record: Any) -> None:
    record = make_record(category_weight=0.1, seed=5, eval_batch_size=7)
    assert changed_settings(record) == (("category_weight", 0.1),)
    group = comparable([record, make_record(seed=5), make_record(variant="wo_cate")])[0]
    labels = {entry.label for entry in group.entries}
    assert labels == {"A2D-MTL category_weight=0.1", "A2D-MTL", "A2D-MTL w/o CATE"}
    default = group.find("A2DMTL")
    assert default is not None and default.label == "A2D-MTL"


def test_a_variant_is_found_whatever_it_was_asked_for_as(make_record: Any) -> None:
    as_keys = make_record(memory="both")
    as_other = make_record(variant="with_memory", category_scores="joined")
    group = comparable([as_keys, as_other, make_record()])[0]
    for variant, run in (
        ("with_memory", as_keys.run),
        ("chosen", as_keys.run),  # on this data set it is no more than that
        ("with_memory_and_categories", as_other.run),
    ):
        found = group.find("A2DMTL", variant)
        assert found is not None and found.runs == (run,)
    assert group.find("A2DMTL", "with_last") is None
    labels = sorted(entry.label for entry in group.entries)
    assert labels[1:] == ["A2D-MTL memory=both", "A2D-MTL with memory category_scores=joined"]


def test_a_shared_setting_younger_than_the_record_is_not_what_another_variant_asks_for(
    make_record: Any,
) -> None:
    did = {"memory": "both", "category_scores": "joined", "memory_learns": "first_epoch"}
    older = make_record(dataset="tmall", **did)
    del older.config["time_order"]
    ordered = make_record(dataset="tmall", **did, time_order=0.75)
    group = comparable([older])[0]
    assert group.find("A2DMTL", "chosen") is None
    found = comparable([older, ordered])[0].find("A2DMTL", "chosen")
    assert found is not None and found.runs == (ordered.run,)


def test_a_switch_younger_than_the_record_is_told(make_record: Any) -> None:
    record = make_record()
    del record.config["graph_exclude_self"]
    assert changed_settings(record) == (("graph_exclude_self", "absent"),)


def test_a_whole_number_is_the_same_as_a_float(make_record: Any) -> None:
    whole, as_float = make_record("VSKNN", trained=False), make_record("VSKNN", trained=False)
    as_float.config["neighbors"] = float(as_float.config["neighbors"])
    assert changed_settings(as_float) == ()
    assert stands_for(as_float, whole.config), "a grid takes it for finished as well"
    others = [make_record("VSKNN", trained=False, neighbors=7, seed=seed) for seed in (1, 2)]
    others[1].config["neighbors"] = 7.0
    (entry,) = comparable(others)[0].entries
    assert entry.changed == (("neighbors", 7),)
    assert len(entry.records) == 2


def test_training_settings_mean_nothing_to_counts(make_record: Any) -> None:
    assert changed_settings(make_record("Pop", trained=False, learning_rate=9.0)) == ()
    assert changed_settings(make_record("VSKNN", trained=False, neighbors=7)) != ()


def test_a_model_that_is_no_more_keeps_its_record(make_record: Any) -> None:
    record = dataclasses.replace(make_record(), model="Bygone")
    (entry,) = comparable([record])[0].entries
    assert entry.label == "Bygone" and entry.changed == ()


def test_of_two_equal_runs_the_one_that_says_more_counts(make_record: Any) -> None:
    newer, older = make_record(good=0.5), make_record(good=0.1)
    del older.config["learner"]
    (entry,) = comparable([newer, older])[0].entries
    assert entry.records == (newer,)


def test_runs_of_several_processes_are_told_apart(make_record: Any) -> None:
    alone, together = make_record(good=0.5), make_record(good=0.1)
    together.config["processes"] = 2
    labels = {entry.label for entry in comparable([alone, together])[0].results}
    assert labels == {"A2D-MTL", "A2D-MTL processes=2"}


def test_a_variant_with_another_weight_stays_in_the_table(make_record: Any) -> None:
    record = make_record(variant="with_memory", category_weight=0.4)
    (entry,) = comparable([record])[0].results
    assert entry.label == "A2D-MTL with memory category_weight=0.4"


def test_commits_of_all_epochs_are_named(make_record: Any) -> None:
    record = make_record()
    record.history += [{"epoch": 0, "commit": "first"}, {"epoch": 1, "commit": ""}, {"epoch": 2}]
    assert comparable([record])[0].commits == ", ".join(sorted([record.commit, "first", "unknown"]))


def test_leak_runs_and_sweeps_are_no_results(make_record: Any) -> None:
    records = [
        make_record(),
        make_record(session_bank="batch_leaky", good=0.9),
        make_record(evaluation_order="file", good=0.8),
        make_record(category_weight=0.5),
        make_record(variant="wo_cate"),
        make_record(score_scale=3),
    ]
    group = comparable(records)[0]
    scale = "A2D-MTL score_scale=3"
    assert {entry.label for entry in group.results} == {"A2D-MTL", "A2D-MTL w/o CATE", scale}
    assert {entry.label for entry in group.models} == {"A2D-MTL", scale}
    assert len(group.varied({"session_bank", "evaluation_order"})) == 3
    assert [entry.leaks for entry in group.entries].count(True) == 1


@pytest.mark.parametrize("also", [{}, {"epochs": 5}, {"variant": "with_memory"}])
def test_no_line_of_an_audit_is_a_result(make_record: Any, also: Any) -> None:
    """``benchmark leak --epochs=5`` leaves all of these; the first alone is plain A2D-MTL."""
    lines = [{}, {"session_bank": "train"}, {"session_bank": "batch_masked"}]
    lines.append({"graph_exclude_self": False})
    (group,) = comparable([make_record(**also, **line) for line in lines])
    (plain,) = group.results
    assert not {key for key, _ in plain.changed} & LEAK_KEYS
    (audit,) = audits(group)
    assert len(audit.settings) == len(lines)


@pytest.mark.parametrize(
    "also", [{"bank_neighbors": 2}, {"epochs": 3}, {"variant": "with_memory"}, {"score_scale": 3}]
)
def test_an_audit_with_further_settings_is_no_result_either(make_record: Any, also: Any) -> None:
    records = [
        make_record("GRU4Rec", good=0.2),
        make_record(session_bank="batch_leaky", good=0.9, **also),
        make_record(session_bank="batch_leaky", evaluation_order="file", good=0.8, **also),
        make_record(evaluation_order="file", good=0.7, **also),
    ]
    (group,) = comparable(records)
    assert [entry.model for entry in group.results] == ["GRU4Rec"]
    assert len(group.entries) == 4


def test_ablations_stand_by_the_whole(make_record: Any) -> None:
    assert comparable([make_record()])[0].ablations == []
    group = comparable([make_record(), make_record(variant="wo_spa"), make_record("GRU4Rec")])[0]
    assert sorted(entry.variant for entry in group.ablations) == ["full", "wo_spa"]


def test_same_seeds_drops_what_others_lack(make_record: Any) -> None:
    records = [make_record(seed=s) for s in (1, 2)] + [make_record(seed=2, category_weight=0.1)]
    kept = same_seeds(comparable(records)[0].entries)
    assert [[record.seed for record in entry.records] for entry in kept] == [[2], [2]]


def test_a_record_older_than_a_switch_is_told_by_what_it_did(make_record: Any) -> None:
    record = make_record("A2DMTL")
    del record.config["mix_votes"]
    assert changed_settings(record) == ()
    del record.config["mix_own_items"]
    assert changed_settings(record) == (("mix_own_items", False),)
    del record.config["mixture_size"]
    size = record.config["embedding_size"]
    assert changed_settings(record) == (("mix_own_items", False), ("mixture_size", size))
