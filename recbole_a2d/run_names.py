"""Names of runs, and which finished record a run's settings lead to.

A new switch changes the settings of every run and with them its name. A run that did before what
the switch's default does now need not be made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from recbole_a2d.config import (
    PROCESSES,
    SECTIONS,
    SessionConfig,
    build_config,
    plain_settings,
    read_model_yaml,
)
from recbole_a2d.records import Record, read_records, record_path, run_name

BEFORE = {
    "mix_own_items": False,
    "mix_category": False,
    "mix_votes": False,
    "softmax_over": "all",
    "memory": "none",
    "memory_rules": "last",
    "memory_learns": "always",
    "train_candidates": 0,
    "trend_slices": 0,
}
"""What a record did that is older than the switch."""
BEFORE_AS = {"graph_score_size": "embedding_size", "mixture_size": "embedding_size"}
"""The same for a switch that took its value from another setting."""
ABSENT = "absent"
"""Stands for what a record did of which neither tells."""


def value_before(settings: Mapping[str, Any], key: str) -> Any:
    """What a run with these settings did where today's yaml files have a key they do not know."""
    return BEFORE.get(key, settings.get(BEFORE_AS.get(key, ""), ABSENT))


def completed(settings: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Settings of an older run, the switches younger than it at what was done before them."""
    younger = {key: value_before(settings, key) for key in own_keys(model) - settings.keys()}
    return dict(settings) | {key: value for key, value in younger.items() if value != ABSENT}


def own_keys(model: str) -> frozenset[str]:
    """Keys of a model's own yaml file."""
    return frozenset(read_model_yaml(model)) - set(SECTIONS)


@cache
def yaml_settings(model: str, dataset: str, preset: str, variant: str) -> dict[str, Any]:
    """What today's yaml files say, whatever was asked for.

    Raises:
        UserError: there is no such model, preset or variant.
    """
    config = build_config(model, dataset, overrides={"preset": preset, "variant": variant})
    return {key: value for key, value in plain_settings(config).items() if key != PROCESSES}


def new_name(config: SessionConfig, model: str) -> str:
    """The name to give a run with these settings."""
    return run_name(model, config["dataset"], config["variant"], plain_settings(config))


def standing_name(config: SessionConfig, model: str) -> str:
    """The name under which the run with these settings stands: of its record, else the new one.

    The record may be older than a switch that is at what was done before it.
    """
    name, results = new_name(config, model), Path(config["results_dir"])
    if record_path(results, name).exists():
        return name
    settings = plain_settings(config)
    alike = run_name(model, config["dataset"], "full", {}).rpartition("-")[0] + "-*"
    standing = [record for record in read_records(results, alike) if stands_for(record, settings)]
    standing.sort(key=lambda record: record.variant == config["variant"])
    return standing[-1].run if standing else name


def stands_for(record: Record, settings: Mapping[str, Any]) -> bool:
    """Whether a record of the same model and data is what a run with these settings would make.

    All it knows is alike, but for the name of the variant, which is what it sets and nothing more;
    a key of the model's own file that it does not know is at what was done before, one that all
    models share at what the yaml files say, as in tables.
    """
    did = {key: value for key, value in record.config.items() if key != "variant"}
    settings = {key: value for key, value in settings.items() if key != "variant"}
    if any(key not in settings or settings[key] != value for key, value in did.items()):
        return False
    said = yaml_settings(record.model, record.dataset, record.preset, record.variant)
    younger = settings.keys() - did.keys()
    before = said | {key: value_before(did, key) for key in own_keys(record.model)}
    return all(before.get(key, ABSENT) == settings[key] for key in younger)
