"""Model names: ours, and the RecBole classes behind some of them as ``recbole.NAME``."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from recbole_a2d.errors import UserError
from recbole_a2d.model_list import MODELS


def model_class(name: str) -> type:
    """The class of a model name; ``recbole.NAME`` is RecBole's class as it ships.

    Raises:
        UserError: an unknown name; the message gives the nearest known ones.
    """
    if name.startswith("recbole."):
        return _recbole_class(name.removeprefix("recbole."))
    if name not in MODELS:
        folded = {known.lower(): known for known in MODELS}
        near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.4)
        nearest = f"nearest: {', '.join(folded[match] for match in near)}; " if near else ""
        raise UserError(f"unknown model '{name}'; {nearest}--models lists all")
    return MODELS[name].load()


def trained_models() -> list[str]:
    """Names of the models that are trained; the others count."""
    return [name for name in MODELS if getattr(MODELS[name].load(), "trainable", True)]


def models_table() -> str:
    """All models as a Markdown table, as it stands in the README."""
    lines = ["| name | paper | year | categories | file | test |", "| --- " * 6 + "|"]
    for entry in MODELS.values():
        used = "used" if entry.categories else "-"
        year = str(entry.year or "-")
        lines.append(
            f"| {entry.name} | {entry.source} | {year} | {used} | `{entry.file}` | `{entry.test}` |"
        )
    return "\n".join(lines)


def require_categories(model: str, dataset: Any) -> None:
    """Refuse data without item categories for a model that reads them.

    Raises:
        UserError: the data set knows no category; the message names the models that need none.
    """
    if dataset.n_categories > 1:
        return
    others = ", ".join(entry.name for entry in MODELS.values() if not entry.categories)
    raise UserError(
        f"{model} needs item categories and {dataset.name} has none: convert it with categories, "
        f"or take a model that needs none: {others}, or A2DMTL with --variant wo_cate"
    )


def title(name: str) -> str:
    """How tables call a model."""
    return MODELS[name].title if name in MODELS else name


def _recbole_class(name: str) -> type:
    # RecBole's other models ask for users, time stamps or samplers that sessions do not have
    repaired = [entry.name for entry in MODELS.values() if entry.module == "recbole_fixed"]
    if name not in repaired:
        raise UserError(f"unknown model 'recbole.{name}'; RecBole's: {', '.join(repaired)}")
    module: Any = importlib.import_module("recbole.model.sequential_recommender")
    stock: type = getattr(module, name)
    return stock
