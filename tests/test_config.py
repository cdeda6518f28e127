"""Precedence of settings and the refusal of unknown ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d import config
from recbole_a2d.config import build_config, choices, plain_settings
from recbole_a2d.errors import UserError
from recbole_a2d.model_list import MODELS
from recbole_a2d.resources import properties_folder
from recbole_a2d.yaml_files import read_yaml


def test_precedence(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("learning_rate: 0.5\nembedding_size: 7\n")
    second.write_text("learning_rate: 1e-2\n")
    config = build_config("GRU4Rec", "shop", config_files=[first, second], overrides={"seed": 3})
    assert config["learning_rate"] == 0.01
    assert config["embedding_size"] == 7
    assert config["seed"] == 3
    assert (
        config["train_batch_size"]
        == read_yaml(properties_folder() / "preset/cpu.yaml")["train_batch_size"]
    )
    assert (
        config["num_layers"] == read_yaml(properties_folder() / "model/GRU4Rec.yaml")["num_layers"]
    )


def test_settings_per_data_set() -> None:
    assert build_config("A2DMTL", "tmall")["bank_neighbors"] == 7
    assert build_config("A2DMTL", "diginetica")["bank_neighbors"] == 3
    assert build_config("A2DMTL", "tmall", overrides={"bank_neighbors": 9})["bank_neighbors"] == 9


def test_presets_and_variants_apply() -> None:
    paper = build_config("A2DMTL", "shop", overrides={"preset": "paper", "variant": "wo_cate"})
    assert (paper["embedding_size"], paper["train_batch_size"]) == (256, 100)
    assert paper["categories"] == "none"


@pytest.mark.parametrize(
    ("key", "near"), [("learning_rat", "learning_rate"), ("score_scal", "score_scale")]
)
def test_unknown_key_names_the_nearest(key: str, near: str) -> None:
    with pytest.raises(UserError, match=near):
        build_config("A2DMTL", "shop", overrides={key: 1})


def test_unknown_model_variant_preset() -> None:
    with pytest.raises(UserError, match="GRU4Rec"):
        build_config("gru4rek", "shop")
    with pytest.raises(UserError, match="wo_cate"):
        build_config("A2DMTL", "shop", overrides={"variant": "without_cate"})
    with pytest.raises(UserError, match="paper"):
        build_config("A2DMTL", "shop", overrides={"preset": "papper"})


def test_malformed_yaml_is_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1, 2\nb: }")
    with pytest.raises(UserError) as caught:
        build_config("A2DMTL", "shop", config_files=[bad])
    assert "bad.yaml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("key", "word"), [("epochs", "ten"), ("gate", "round")])
def test_a_wrong_value_is_told_with_its_file(key: str, word: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(f"{key}: other\n")
    bad.write_text(f"{key}: {word}\n")
    with pytest.raises(UserError) as told:
        build_config("A2DMTL", "shop", config_files=[good, bad])
    assert str(told.value).startswith(f"{bad}: {key} is '{word}'; it must be ")
    with pytest.raises(UserError) as told:
        build_config("A2DMTL", "shop", config_files=[good], overrides={key: word})
    assert str(told.value).startswith(f"{key} is '{word}'; it must be ")


@pytest.mark.parametrize(
    "text", ["seed: 1\ntrain_batch_size: 8\nseed: 2\n", "a: {seed: 1, seed: 1}"]
)
def test_a_key_that_stands_twice_is_refused(text: str, tmp_path: Path) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text(text)
    with pytest.raises(UserError, match=r"twice\.yaml: .*seed stands twice.*line"):
        build_config("A2DMTL", "shop", config_files=[twice])


def test_yaml_cannot_name_python_objects(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("seed: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UserError, match="not valid yaml"):
        build_config("A2DMTL", "shop", config_files=[bad])


def test_strings_are_not_evaluated() -> None:
    config = build_config("A2DMTL", "shop", overrides={"variant": "full", "checkpoint_dir": "1+1"})
    assert config["checkpoint_dir"] == "1+1"


def test_places_do_not_name_a_run() -> None:
    here, there = (build_config("Pop", "shop", overrides={"results_dir": d}) for d in ("a", "b"))
    assert plain_settings(here) == plain_settings(there)


def test_every_model_has_its_yaml_and_every_key_a_comment() -> None:
    folder = properties_folder()
    assert {path.stem for path in (folder / "model").glob("*.yaml")} == set(MODELS)
    for path in [
        folder / "overall.yaml",
        *folder.glob("model/*.yaml"),
        *folder.glob("preset/*.yaml"),
    ]:
        for line in path.read_text().splitlines():
            if line and not line.startswith(("#", " ", "{}")):
                assert "#" in line, f"{path.name}: no comment on: {line}"


def test_preset_of_one_model() -> None:
    """A model's own per_preset section is stronger than the preset, and than nothing else."""
    plain, own = build_config("SRGNN", "shop"), build_config("STAMP", "shop")
    assert (plain["learning_rate"], own["learning_rate"]) == (0.002, 0.005)
    assert build_config("STAMP", "shop", overrides={"preset": "paper"})["learning_rate"] == 0.001
    assert build_config("STAMP", "shop", overrides={"learning_rate": 0.1})["learning_rate"] == 0.1


def test_preset_cpu_trains_all_alike_and_original_as_published() -> None:
    keys = ("lr_decay", "lr_step", "weight_decay", "train_batch_size", "epochs", "stopping_step")

    def training(preset: str) -> set[tuple[Any, ...]]:
        configs = [build_config(name, "shop", overrides={"preset": preset}) for name in MODELS]
        return {tuple(config[key] for key in keys) for config in configs}

    assert len(training("cpu")) == 1
    assert (0.1, 3, 1e-5, 100, 20, 3) in training("original"), "GCE-GNN"


@pytest.mark.parametrize(
    ("model", "published"),
    [
        ("NARM", {"lr_decay": 1.0, "weight_decay": 0.0, "epochs": 30, "stopping_step": 30}),
        ("STAMP", {"lr_decay": 1.0, "weight_decay": 0.0, "epochs": 10, "learning_rate": 0.003}),
        ("MTD", {"lr_step": 30, "weight_decay": 1e-6, "epochs": 30, "stopping_step": 30}),
        ("GCSAN", {"lr_decay": 0.1, "weight_decay": 0.0, "train_batch_size": 100}),
        ("GRU4Rec", {"lr_decay": 1.0, "weight_decay": 0.0}),
        ("SASRec", {"lr_decay": 1.0, "weight_decay": 0.0, "train_batch_size": 128}),
    ],
)
def test_preset_original_knows_nothing_of_other_models(
    model: str, published: dict[str, Any]
) -> None:
    config = build_config(model, "shop", overrides={"preset": "original"})
    assert {key: config[key] for key in published} == published


def test_every_variant_only_sets_keys_of_the_model() -> None:
    known = read_yaml(properties_folder() / "model/A2DMTL.yaml")
    for name in choices("variant"):
        variant = read_yaml(properties_folder() / f"variant/{name}.yaml")
        for of_dataset in (variant.pop("per_dataset", None) or {}).values():
            assert set(of_dataset) <= {*known, "time_order"}, name
        assert set(variant) <= set(known), name


def test_a_variant_may_differ_by_data_set() -> None:
    of_memory = ("memory", "memory_rules", "memory_learns")
    keys = (*of_memory, "category_scores", "softmax_over", "time_order")
    chosen = {
        dataset: [build_config("A2DMTL", dataset, overrides={"variant": "chosen"})[k] for k in keys]
        for dataset in ("tmall", "yoochoose1_64", "my-shop")
    }
    assert chosen == {
        "tmall": ["both", "last", "first_epoch", "joined", "all", 0.75],
        "yoochoose1_64": ["both", "last_two", "always", "none", "new", 0.75],
        "my-shop": ["both", "last", "always", "none", "all", 0],
    }
    asked = {"variant": "chosen", "category_scores": "none"}
    assert build_config("A2DMTL", "tmall", overrides=asked)["category_scores"] == "none"


@pytest.mark.parametrize(
    ("visible", "given", "taken"),
    [(None, {}, "0"), ("2", {}, "2"), ("", {}, ""), ("2", {"gpu_id": 1}, "1")],
)
def test_visible_gpus_hold_where_none_is_given(
    visible: str | None, given: dict[str, int], taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # put back at the end: RecBole writes it
    monkeypatch.setattr(config, "VISIBLE_GPUS", visible)
    assert build_config("A2DMTL", "shop", overrides=given)["gpu_id"] == taken
    assert os.environ["CUDA_VISIBLE_DEVICES"] == taken
