"""The grids behind the paper's tables and figures; one cell is one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole_a2d.benchmark.paper import category_weights
from recbole_a2d.config import SessionConfig, build_config, choices
from recbole_a2d.errors import UserError
from recbole_a2d.registry import MODELS, model_class
from recbole_a2d.yaml_files import read_yamls

OURS = "A2DMTL"
ABLATIONS = ("full", "wo_cate", "wo_exp", "wo_spa", "wo_adaspa", "with_inter", "wo_graph")
"""Rows of Table 3. A2D-MTL is without INTER by default, so its row here is the model with it."""
ROWS_OF_THEIR_OWN = (
    "as_printed",
    "faithful",
    "with_votes",
    "with_rules",
    "with_memory",
    "with_last",
    "with_memory_and_last",
    "with_categories",
    "with_memory_and_categories",
    "with_memory_categories_and_last",
    "chosen",
)
"""Variants of A2D-MTL that stand in Table 2 beside the default one, where they exist."""
SESSION_BANKS = ("none", "batch_leaky", "batch_masked", "train")
"""Readings of the session bank; the first two say most when a suite is cut short."""
ORDERS = ("file", "shuffled")
"""Orders of the test rows that the leak audit ranks them in."""
PLACES = {"data_path": "dataset_atomic", "results_dir": "results", "checkpoint_dir": "saved"}
"""Keys that say where a run reads and writes, with their defaults."""
SMOKE = ("Pop", "VSKNN", OURS, "GRU4Rec", "SRGNN")


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        model: registry name.
        dataset: its folder's name.
        settings: keys given beside the model's own yaml files.
        files: yaml files of settings, weaker than ``settings``.
        orders: orders of the test rows in which the trained model is ranked once more.
    """

    model: str
    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    orders: tuple[str, ...] = ()

    def config(self) -> SessionConfig:
        """Settings of the run."""
        return build_config(
            self.model, self.dataset, config_files=self.files, overrides=self.settings
        )


@dataclass(frozen=True)
class Suite:
    """A grid by name.

    Attributes:
        name: on the command line.
        about: in the help.
        cells: from the chosen model names (none: the suite's own) to model, settings, orders.
        default_dataset: used where none is named.
        settings: of every cell, weaker than files of settings and the command line.
    """

    name: str
    about: str
    cells: Callable[[Sequence[str]], list[Cell]]
    default_dataset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def cells_of(
    suite: Suite,
    dataset: str,
    models: Sequence[str] = (),
    seeds: Sequence[int] = (),
    settings: Mapping[str, Any] | None = None,
    files: tuple[Path, ...] = (),
) -> list[Cell]:
    """All cells of a suite on one data set, in the order they are best run.

    Args:
        suite: of :data:`SUITES`.
        dataset: its folder's name.
        models: limit to these; ``MODEL:VARIANT`` names a variant.
        seeds: one cell each; none: the seed of the yaml files.
        settings: for all cells, the strongest.
        files: yaml files for all cells.

    Raises:
        UserError: an unknown model, a file that cannot be read, or a setting that the suite or
            ``seeds`` chooses.
    """
    given, filed = dict(settings or {}), read_yamls(files)
    own = {key: value for key, value in suite.settings.items() if key not in filed}
    chosen = [{"seed": seed} for seed in seeds]
    cells = []
    for cell in suite.cells(models):
        _refuse(cell.settings, given, filed, f"suite {suite.name} chooses {{}} itself")
        for seed in chosen or [{}]:
            _refuse(seed, given, filed, "--seeds chooses the {}")
            merged = {**own, **given, **cell.settings, **seed}
            cells.append(Cell(cell.model, dataset, merged, files, cell.orders))
    return cells


def _refuse(
    chosen: Mapping[str, Any], given: Mapping[str, Any], filed: Mapping[str, Any], why: str
) -> None:
    """Refuse keys that are chosen already, on the command line and in files of settings."""
    for key in sorted(given.keys() & chosen.keys()):
        raise UserError(f"{why.format(key)}; leave --{key} out")
    for key in sorted(filed.keys() & chosen.keys()):
        raise UserError(f"{why.format(key)}; leave {key} out of the file of --config")


def _named(word: str) -> Cell:
    model, _, variant = word.partition(":")
    model_class(model)
    return Cell(model, "", {"variant": variant} if variant else {})


def _table2(models: Sequence[str]) -> list[Cell]:
    if models:
        return [_named(word) for word in models]
    variants = [name for name in ROWS_OF_THEIR_OWN if name in choices("variant")]
    ours = [_named(OURS), *(_named(f"{OURS}:{name}") for name in variants)]
    counted = [name for name in MODELS if not getattr(model_class(name), "trainable", True)]
    rivals = [name for name in MODELS if name != OURS and name not in counted]
    # Methods that only count take minutes: with them first, the table soon has its bar.
    return [*map(_named, counted), *ours, *map(_named, rivals)]


def _table3(models: Sequence[str]) -> list[Cell]:
    _only_ours("table3", models)
    return [Cell(OURS, "", {"variant": name} if name != "full" else {}) for name in ABLATIONS]


def _figure3(models: Sequence[str]) -> list[Cell]:
    _only_ours("figure3", models)
    return [Cell(OURS, "", {"category_weight": weight}) for weight in category_weights()]


def _leak(models: Sequence[str]) -> list[Cell]:
    _only_ours("leak", models)
    banks = [Cell(OURS, "", {"session_bank": bank}, orders=ORDERS) for bank in SESSION_BANKS]
    return [*banks, Cell(OURS, "", {"graph_exclude_self": False})]


def _smoke(models: Sequence[str]) -> list[Cell]:
    return [_named(word) for word in models or SMOKE]


def _only_ours(suite: str, models: Sequence[str]) -> None:
    if set(models) - {OURS}:
        raise UserError(f"suite {suite} is about {OURS} alone; leave --models out")


SUITES = {
    suite.name: suite
    for suite in (
        Suite("table2", "every model, and A2D-MTL with the options beyond the paper", _table2),
        Suite("table3", "A2D-MTL and its ablations", _table3),
        Suite("figure3", "A2D-MTL over the paper's values of lambda", _figure3),
        Suite("leak", "A2D-MTL with what shows it its answers, closed and open", _leak),
        Suite(
            "smoke",
            "a few models for two epochs on the embedded shop",
            _smoke,
            default_dataset="shop",
            settings={"epochs": 2, "embedding_size": 32},
        ),
    )
}
