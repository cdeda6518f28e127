"""Whether what a file holds is a result record: its fields, and what readers rely on in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field
from typing import Any

COMPARED = ("hit@20", "mrr@20", "ndcg@20")
"""Metrics that every record has."""
SIZES = ("epochs", "seconds", "train_rows", "test_rows", "items", "categories")
NUMBERS = ("train_fraction", "category_weight", "bank_neighbors")
"""Settings that tables and plots reckon with."""
LARGEST = 1e15
"""Of all these; beyond it nothing was counted or measured."""


def check_content(content: Any, run: str, known: Mapping[str, Field[Any]]) -> None:
    """See whether a record of a run is as it was written.

    Args:
        content: of the file.
        run: whose record it should be.
        known: fields of a record, by name.

    Raises:
        ValueError: it is not; the message says where.
    """
    check_fields(content, known)
    if content["run"] != run:
        raise ValueError(f"it is of the run {content['run']}")
    for name in SIZES:
        _require(0 <= content[name] <= LARGEST, name, content[name])
    for name in COMPARED:
        value = content["test"].get(name)
        _require(_fits(value, "float") and 0 <= value <= 1, f"test {name}", value)
    _check_config(content["config"])
    for epoch in content.get("history", []):
        _check_epoch(epoch)


def check_fields(content: Any, known: Mapping[str, Field[Any]]) -> None:
    """See whether the content of a file is the fields of a dataclass, each of its type.

    Raises:
        ValueError: it is not; the message says where.
    """
    if not isinstance(content, dict):
        raise ValueError("it holds no fields")
    optional = {name for name, one in known.items() if _has_default(one)}
    missing, unknown = known.keys() - content.keys() - optional, content.keys() - known.keys()
    if missing or unknown:
        raise ValueError(f"fields missing: {sorted(missing)}, unknown: {sorted(unknown)}")
    for name, value in content.items():
        _require(_fits(value, str(known[name].type)), name, value)


def _has_default(one: Field[Any]) -> bool:
    return one.default is not MISSING or one.default_factory is not MISSING


def _check_config(config: dict[str, Any]) -> None:
    for name in config.keys() & set(NUMBERS):
        right = _fits(config[name], "float") and abs(config[name]) <= LARGEST
        _require(right, f"config {name}", config[name])
    share = config.get("train_fraction", 1.0)
    _require(0 < share <= 1, "config train_fraction", share)


def _check_epoch(epoch: dict[str, Any]) -> None:
    """Only what the learning curves and the commits of a record are made from."""
    _require(_fits(epoch.get("commit", ""), "str"), "history commit", epoch.get("commit"))
    valid = epoch.get("valid")
    if valid:
        _require(_fits(epoch.get("epoch"), "int"), "history epoch", epoch.get("epoch"))
        told = _fits(valid, "dict[str, float]") and "mrr@20" in valid
        _require(told, "history valid", valid)


def _require(right: bool, name: str, value: Any) -> None:
    if not right:
        raise ValueError(f"{name} is {value!r}")


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value of JSON is what the annotation says, all through."""
    if annotation.startswith("list["):
        inner = annotation.removeprefix("list[")[:-1]
        return isinstance(value, list) and all(_fits(one, inner) for one in value)
    if annotation.startswith("dict["):
        inner = annotation.removeprefix("dict[str, ")[:-1]
        return isinstance(value, dict) and all(_fits(one, inner) for one in value.values())
    kinds = {"str": (str,), "int": (int,), "float": (int, float)}
    if annotation not in kinds:
        return True  # Any
    return isinstance(value, kinds[annotation]) and not isinstance(value, bool)
