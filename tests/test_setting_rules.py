"""Wrong values are told in one line before anything is read or trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.cli import main
from recbole_a2d.config import build_config, plain_settings
from recbole_a2d.errors import UserError
from recbole_a2d.resources import properties_folder
from recbole_a2d.setting_rules import _KINDS, told_kinds
from recbole_a2d.yaml_files import read_yaml

SEVERAL_KINDS = {"entmax_alpha", "dropout_probs"}
"""Keys that take a number or a word, or a number or a list; their models look at them."""

WRONG: dict[str, list[Any]] = {
    "epochs": ["abc", 0, -1, 1.5, None],
    "learning_rate": ["abc", -1, 0, math.nan, math.inf],
    "weight_decay": ["abc", -1],
    "lr_decay": ["abc", -1, 0],
    "lr_step": ["abc", -1],
    "seed": ["abc", -1, 1.5, True, 2**32],
    "stopping_step": ["abc", 0],
    "stopping_min_steps": ["abc", -1],
    "train_fraction": ["abc", 0, 2],
    "time_order": ["abc", -0.1, 1.1],
    "embedding_size": ["abc", 0, 10.5],
    "train_batch_size": ["abc", 0, 2.5],
    "eval_batch_size": [0],
    "MAX_ITEM_LIST_LENGTH": ["abc", 0, 99_999_999_999_999_999_999],
    "USER_ID_FIELD": ["u"],
    "ITEM_ID_FIELD": ["foo"],
    "ITEM_LIST_LENGTH_FIELD": ["n"],
    "LIST_SUFFIX": ["_x"],
    "dropout": ["abc", 1, -0.1],
    "embedding_dropout": [-1],
    "category_weight": ["abc", -1],
    "score_scale": ["abc", 0],
    "item_neighbors": ["abc", 0, 99_999_999_999],
    "graph_score_size": [0],
    "mixture_size": [0],
    "item_graph": ["maybe", 1],
    "refit": ["perhaps"],
    "show_progress": ["abc"],
    "clip_grad_norm": [
        *(5, {"foo": 1}, {"norm_type": 1}, {"max_norm": "abc"}, {"max_norm": -1}),
        {"max_norm": 5, "norm_type": "foo"},
    ],
    "gpu_id": ["abc", {"a": 1}, -1, "0,"],
    "use_gpu": ["foo", 1],
    "topk": [10, [1, 3], [20, 20], [], "abc", [0, 20], [20, "x"]],
    "valid_metric": ["MRR", "MRR@7", "Recall@20"],
    "metrics": [["Foo"], [], "Hit"],
    "repeatable": [False],
    "eval_args": [{"mode": "full"}],
    "loss_type": ["BPR"],
    "learner": ["foo"],
    "precision": ["foo"],
    "protocol": ["dirty"],
    "graph_direction": ["sideways"],
    "memory_rules": ["last_three", 2],
    "memory_learns": ["never"],
    "trend_slices": [-1, 1001, 2.5, "all"],
}
RIGHT: dict[str, list[Any]] = {
    "epochs": [3, 3.0],
    "topk": [[20], [1, 20]],
    "valid_metric": ["ndcg@20"],
    "clip_grad_norm": [{"max_norm": 5}, {"max_norm": 5, "norm_type": float("inf")}, None],
    "learning_rate": [1],
    "lr_step": [0],
    "dropout": [0],
    "train_candidates": [0],
    "learner": ["adamw"],
    "train_fraction": [1],
    "time_order": [0, 1],
    "gpu_id": [0, "", "0,1", [0, 1], None],
}


def pairs(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    """Each key with each of its values."""
    return [(key, value) for key, values in table.items() for value in values]


@pytest.mark.parametrize(("key", "value"), pairs(WRONG))
def test_wrong_value_is_named(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^{key} is .*; it must be ") as caught:
        build_config("A2DMTL", "shop", overrides={key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("key", "value"), pairs(RIGHT))
def test_right_value_is_taken(key: str, value: Any) -> None:
    config = build_config("A2DMTL", "shop", overrides={key: value})
    assert config.external_config_dict[key] == value


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        ("AttenMixer", "pool_power", 0),
        ("MiaSRec", "temperature", 0),
        ("MiaSRec", "beta_logit", 3.0),
        ("CORE", "temperature", -0.1),
        ("MGS", "contrast_temperature", 0),
        ("MGS", "last_click_weight", 1.5),
        ("MTD", "recency", -1.0),
        ("GCSAN", "weight", 2),
    ],
)
def test_wrong_value_of_another_model_is_named(model: str, key: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"^{key} is .*; it must be "):
        build_config(model, "shop", overrides={key: value})


@pytest.mark.parametrize(
    ("model", "key"),
    [
        *(("A2DMTL", key) for key in ("embedding_size", "mixture_size", "graph_score_size")),
        *(("A2DMTL", key) for key in ("category_layers", "item_neighbors", "epochs")),
        ("MSGIFSR", "heads"),
    ],
)
def test_a_whole_number_may_come_as_a_float(model: str, key: str) -> None:
    config = build_config(model, "shop", overrides={key: 4.0})
    assert config[key] == 4 and isinstance(config[key], int)


@pytest.mark.parametrize(
    ("key", "model", "told"),
    [
        ("eval_step", "A2DMTL", "RecBole has it, but it changes nothing here"),
        ("intra", "GRU4Rec", "it belongs to A2DMTL"),
        ("neighbours", "VSKNN", "did you mean: neighbors"),
        ("quiet", "A2DMTL", "properties/ has all keys"),
    ],
)
def test_a_key_that_does_nothing_is_refused(key: str, model: str, told: str) -> None:
    with pytest.raises(UserError, match=f"unknown key '{key}' in the command line; {told}"):
        build_config(model, "shop", overrides={key: 1})


@pytest.mark.parametrize("key", ["model", "dataset"])
def test_a_file_of_settings_chooses_no_model_and_no_data(key: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"{key}: GRU4Rec\n")
    with pytest.raises(UserError, match=f"own.yaml; give it on the command line: --{key}=NAME"):
        build_config("A2DMTL", "shop", config_files=[path])


def test_a_variant_belongs_to_its_model() -> None:
    with pytest.raises(UserError, match="variant 'wo_cate' is one of A2D-MTL; GRU4Rec has none"):
        build_config("GRU4Rec", "shop", overrides={"variant": "wo_cate"})


def test_every_key_tells_its_kind() -> None:
    folder = properties_folder()
    for path in [folder / "overall.yaml", *sorted(folder.glob("model/*.yaml"))]:
        keys = read_yaml(path).keys() - {"per_dataset", "per_preset"} - SEVERAL_KINDS
        told = told_kinds(path)
        assert {key: told.get(key) for key in keys if told.get(key) not in _KINDS} == {}, path.name


def test_a_grid_with_a_wrong_value_is_not_planned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "table2", "--dataset=shop", "--plan", "--epochs=abc"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: epochs is 'abc'; it must be a whole number")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"memory_rules": "last_two"}, "memory_rules 'last_two' does nothing with memory"),
        ({"memory_learns": "first_epoch"}, "memory_learns 'first_epoch' does nothing with memory"),
        ({"softmax_over": "new", "mix_own_items": False}, "'new' does nothing with mix_own_items"),
        ({"train_candidates": 9, "softmax_over": "new"}, "add --softmax_over=all"),
        ({"train_candidates": 9, "learner": "sgd"}, "add --learner=adam"),
        ({"train_candidates": 9, "trend_slices": 2}, "add --trend_slices=0"),
        ({"train_candidates": 9, "clip_grad_norm": {"max_norm": 5}}, "drop either"),
    ],
)
def test_what_does_not_go_together(overrides: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        build_config("A2DMTL", "shop", overrides=overrides)


def test_the_processor_that_computes_is_no_setting() -> None:
    plain, elsewhere = (
        plain_settings(build_config("Pop", "shop", overrides=given))
        for given in ({}, {"gpu_id": 7})
    )
    assert plain == elsewhere
