"""Which finished record a run's settings lead to."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import recbole_a2d.config
from recbole_a2d.config import SessionConfig, build_config
from recbole_a2d.records import Record
from recbole_a2d.run_names import new_name, standing_name, yaml_settings


def config(tmp_path: Path, model: str = "A2DMTL", **settings: Any) -> SessionConfig:
    places = {"results_dir": str(tmp_path / "results")}
    return build_config(model, "shop", overrides=settings | places)


@pytest.fixture
def older_record(tmp_path: Path, make_record: Any) -> Any:
    """Writes a record that does not know some keys, or did something else; returns its name."""

    def make(*unknown: str, model: str = "A2DMTL", **did: Any) -> str:
        record: Record = make_record(model)
        folder = tmp_path / "results" / "records"
        (folder / f"{record.run}.json").unlink()
        settings = {key: value for key, value in record.config.items() if key not in unknown}
        name = f"shop-{model}-00000000"
        older = dataclasses.replace(record, run=name, config=settings | did)
        (folder / f"{name}.json").write_text(json.dumps(dataclasses.asdict(older)))
        return name

    return make


def test_without_a_record_a_run_gets_its_own_name(tmp_path: Path) -> None:
    assert standing_name(config(tmp_path), "A2DMTL") == new_name(config(tmp_path), "A2DMTL")


def test_a_run_older_than_a_switch_stands_where_the_switch_is_off(
    tmp_path: Path, older_record: Any
) -> None:
    older = older_record("mix_votes", "train_candidates")
    assert standing_name(config(tmp_path), "A2DMTL") == older
    voted = config(tmp_path, mix_votes=True)
    assert standing_name(voted, "A2DMTL") == new_name(voted, "A2DMTL")


def test_it_does_not_stand_where_nobody_knows_what_it_did(
    tmp_path: Path, older_record: Any
) -> None:
    older = older_record("graph_exclude_self")
    assert standing_name(config(tmp_path), "A2DMTL") != older


def test_nor_where_it_did_something_else(tmp_path: Path, older_record: Any) -> None:
    older = older_record("mix_votes", category_weight=0.1)
    assert standing_name(config(tmp_path), "A2DMTL") != older
    assert standing_name(config(tmp_path, category_weight=0.1), "A2DMTL") == older


def test_nor_with_a_setting_that_is_no_more(tmp_path: Path, older_record: Any) -> None:
    older = older_record(evaluation_order="file")
    assert standing_name(config(tmp_path), "A2DMTL") != older


def test_a_shared_key_younger_than_the_record_is_at_what_the_yaml_files_say(
    tmp_path: Path, older_record: Any
) -> None:
    older = older_record("stopping_min_steps", model="GRU4Rec")
    assert standing_name(config(tmp_path, "GRU4Rec"), "GRU4Rec") == older
    asked = config(tmp_path, "GRU4Rec", stopping_min_steps=0)
    assert standing_name(asked, "GRU4Rec") == new_name(asked, "GRU4Rec")
    assert standing_name(config(tmp_path, "STAMP"), "STAMP") != older


def test_several_processes_make_another_run(
    tmp_path: Path, older_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = older_record("mix_votes")
    yaml_settings.cache_clear()
    monkeypatch.setattr(recbole_a2d.config, "size", lambda: 2)
    together = config(tmp_path)
    assert standing_name(together, "A2DMTL") == new_name(together, "A2DMTL") != alone
    yaml_settings.cache_clear()


def test_a_run_of_its_own_name_comes_first(
    tmp_path: Path, older_record: Any, make_record: Any
) -> None:
    older_record("mix_votes")
    own = make_record()
    assert standing_name(config(tmp_path), "A2DMTL") == own.run


def test_the_name_of_a_variant_is_no_setting(tmp_path: Path, make_record: Any) -> None:
    as_variant = make_record(variant="with_memory")
    as_keys = config(tmp_path, memory="both")
    assert standing_name(as_keys, "A2DMTL") == as_variant.run
    assert standing_name(config(tmp_path, memory="rules"), "A2DMTL") != as_variant.run
    with_keys = make_record(memory="both")
    assert standing_name(as_keys, "A2DMTL") == with_keys.run
    assert standing_name(config(tmp_path, variant="chosen"), "A2DMTL") in (
        as_variant.run,
        with_keys.run,
    )
