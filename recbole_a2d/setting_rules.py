"""What settings may be: kinds as the yaml files tell them, bounds, and what is not for choosing.

A wrong value is told in one line before anything is read or trained.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recbole_a2d.errors import WrongValue
from recbole_a2d.precision import CHOICES

_TOLD = re.compile(r"^(\w+):[^#]*#\s*\((\w+)\)", re.MULTILINE)
"""``key: value  # (kind) meaning``, a line of ``properties/``."""
_GPUS = re.compile(r"(\d+(,\d+)*)?")
"""A ``gpu_id``."""
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a word"),
    "list": ((list,), "a list"),
    "dict": ((dict,), "a mapping"),
}


@dataclass(frozen=True)
class Bounds:
    """Least and greatest of a number; ``open`` where the bounds themselves are left out."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def hold(self, value: float) -> bool:
        """Whether a value is finite and lies within."""
        above = self.low < value if self.open_low else self.low <= value
        return (
            math.isfinite(value)
            and above
            and (value < self.high if self.open_high else value <= self.high)
        )

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"of at least {self.low:g}"
        if self.high == math.inf:
            return low
        return f"{low} and {'below' if self.open_high else 'at most'} {self.high:g}"


LARGEST = 2**31 - 1
"""Of sizes and counts."""
_DROPOUT = Bounds(0, 1, open_high=True)
_ANY = Bounds()
_BOUNDED = {
    Bounds(1, LARGEST): "epochs stopping_step train_batch_size eval_batch_size embedding_size "
    "hidden_size MAX_ITEM_LIST_LENGTH graph_score_size mixture_size item_neighbors bank_neighbors",
    Bounds(0, LARGEST): "stopping_min_steps lr_step train_candidates category_layers",
    Bounds(0, 1000): "trend_slices",  # each is a column of the table of candidates
    Bounds(0): "weight_decay category_weight contrast_weight graph_weight reg_weight recency",
    Bounds(0, open_low=True): "learning_rate lr_decay score_scale temperature contrast_temperature "
    "pool_power",
    Bounds(0, 1, open_low=True): "train_fraction",
    Bounds(0, 1): "beta_logit last_click_weight weight time_order",
    Bounds(0, 2**32 - 1): "seed",
}
BOUNDS = {key: bounds for bounds, keys in _BOUNDED.items() for key in keys.split()}
"""Of numbers with a meaning of their own; models look at their counts themselves."""

FIXED = (
    *("metrics", "eval_args", "repeatable", "loss_type"),
    *("load_col", "train_neg_sample_args", "worker"),
    *("USER_ID_FIELD", "ITEM_ID_FIELD", "ITEM_LIST_LENGTH_FIELD", "LIST_SUFFIX"),
)
"""Settings of RecBole's that stand in ``overall.yaml`` for its own code; nothing else works."""
WORDS = {
    "learner": ("adam", "adamw", "sgd", "adagrad", "rmsprop"),  # it takes any other for adam
    "precision": CHOICES,
    "protocol": ("clean", "test_selected"),
}
"""Keys of all models that take one of a few words."""
CLIPPING = frozenset({"max_norm", "norm_type", "error_if_nonfinite", "foreach"})
"""Arguments of torch's ``clip_grad_norm_``."""
TABLE_CUTOFF = 20
"""The cut-off that tables compare at."""


@cache
def told_kinds(path: Path) -> dict[str, str]:
    """Kinds of the keys of a yaml file, by the comments behind them."""
    return dict(_TOLD.findall(path.read_text(encoding="utf-8")))


def whole_numbers(settings: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """The settings, with whole numbers that came as floats, as from a search, made whole."""

    def whole(key: str, value: Any) -> bool:
        return kinds.get(key) == "int" and isinstance(value, float) and value.is_integer()

    return {k: int(value) if whole(k, value) else value for k, value in settings.items()}


def check_settings(
    settings: Mapping[str, Any], defaults: Mapping[str, Any], kinds: Mapping[str, str]
) -> None:
    """Refuse values that a key does not take.

    Args:
        settings: what is to hold.
        defaults: what the yaml files say; a key that is null there may be null.
        kinds: of :func:`told_kinds`.

    Raises:
        WrongValue: names the key, its value and what it takes.
    """
    for key, kind in kinds.items():
        value = settings.get(key)
        if value is not None or defaults.get(key) is not None:
            _check(key, value, kind)
    for key in FIXED:
        if settings.get(key) != defaults.get(key):
            raise WrongValue(key, settings[key], f"{defaults[key]}; nothing else is supported")
    for key, words in WORDS.items():
        if settings[key] not in words:
            raise WrongValue.none_of(key, settings[key], words)
    _check_clipping(settings.get("clip_grad_norm"))
    _check_gpus(settings)
    _check_metrics(settings["topk"], str(settings["valid_metric"]), settings["metrics"])


def _check(key: str, value: Any, kind: str) -> None:
    types, told = _KINDS[kind]
    bounds = _bounds(key)
    right = isinstance(value, types) and (kind == "bool" or not isinstance(value, bool))
    if right and kind in ("int", "float"):
        right = bounds.hold(value)
    if not right:
        bounded = f"{told} {bounds}" if key in BOUNDS or bounds is _DROPOUT else told
        raise WrongValue(key, value, bounded)


def _bounds(key: str) -> Bounds:
    return BOUNDS.get(key, _DROPOUT if "dropout" in key else _ANY)


def _check_clipping(value: Any) -> None:
    if value is None:
        return
    norms = {"max_norm": None, "norm_type": 2.0} | value
    right = norms.keys() <= CLIPPING and all(map(_is_norm, (norms["max_norm"], norms["norm_type"])))
    if not right:
        told = "a mapping like {max_norm: 5}, its norms numbers above 0"
        raise WrongValue("clip_grad_norm", value, told)


def _check_gpus(settings: Mapping[str, Any]) -> None:
    """RecBole's keys, which no yaml file of ours has."""
    if not isinstance(settings.get("use_gpu", True), bool):
        raise WrongValue("use_gpu", settings["use_gpu"], "true or false")
    named = settings.get("gpu_id")
    numbers = named if isinstance(named, list) else [named]
    if not _GPUS.fullmatch(",".join("" if one is None else str(one) for one in numbers)):
        told = "the number of a GPU, several with commas between, or '' for none"
        raise WrongValue("gpu_id", named, told)


def _is_norm(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _check_metrics(cutoffs: list[Any], valid_metric: str, names: Iterable[str]) -> None:
    whole = all(type(cutoff) is int and cutoff > 0 for cutoff in cutoffs)
    if not whole or len(set(cutoffs)) != len(cutoffs) or TABLE_CUTOFF not in cutoffs:
        told = f"a list of different whole numbers above 0, {TABLE_CUTOFF} among them"
        raise WrongValue("topk", cutoffs, told)
    known = [f"{name}@{cutoff}" for name in names for cutoff in cutoffs]
    if valid_metric.lower() not in [name.lower() for name in known]:
        raise WrongValue.none_of("valid_metric", valid_metric, known)
