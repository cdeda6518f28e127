"""The folder that a finished run leaves: all that its model needs, and nothing outside it.

::

    saved/RUN/final/best.pt    weights: tensors and JSON (see ``checkpoint``)
    saved/RUN/final/data.npz   the training sessions, names of items and categories
    saved/RUN/final/run.json   model, settings, versions; written last, so that it marks a whole

Graphs, item counts and session banks are functions of the training sessions, so a model is
rebuilt from them by its own constructor, whatever it reads. A method without parameters is its
training sessions: its ``best.pt`` holds no tensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recbole_a2d import records
from recbole_a2d.array_file import opened_arrays
from recbole_a2d.checkpoint import load_checkpoint, save_checkpoint
from recbole_a2d.config import SessionConfig, plain_settings
from recbole_a2d.data.dataset import SessionDataset, StringArray
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.errors import UserError, reason
from recbole_a2d.registry import model_class
from recbole_a2d.run_names import completed
from recbole_a2d.safe_write import replaced_file

FORMAT = 1
WEIGHTS, DATA, FACTS = "best.pt", "data.npz", "run.json"
FINAL = "final"
ADVICE = "copy the run's whole folder again, or give its training command again with --fresh"
"""The file may have been lost on the way here, or have been damaged in its first place."""


@dataclass(frozen=True)
class SavedRun:
    """A finished run as read back.

    Attributes:
        name: of the run.
        model: registry name.
        settings: the run's settings as plain values.
        epochs: how many the weights were trained for.
        dataset: training sessions and names; the held-out sessions are empty.
        weights: state of the model; empty for a method without parameters.
    """

    name: str
    model: str
    settings: dict[str, Any]
    epochs: int
    dataset: SessionDataset
    weights: dict[str, Tensor]

    def config(self) -> SessionConfig:
        """The run's settings as RecBole's Config, on the device found here.

        Settings that this version no longer knows are kept; the model's new ones are at what was
        done before them, others read as None: a saved run stays readable when yaml files change.
        """
        places = {"data_path": ".", "show_progress": False}
        settings = completed(self.settings, self.model) | places
        return SessionConfig(
            model=model_class(self.model), dataset=self.dataset.name, config_dict=settings
        )


def write_saved_run(
    folder: Path, model: str, config: Any, dataset: SessionDataset, trainer: Any
) -> Path:
    """Write the folder of a finished run; an earlier one in its place becomes invalid at once.

    Args:
        folder: ``saved/RUN/final``.
        model: registry name.
        config: settings of the run.
        dataset: what the model was trained on.
        trainer: the trainer, with the model as it is to be used, and its progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).unlink(missing_ok=True)
    weights = trainer.model.state_dict() if any(True for _ in trainer.model.parameters()) else {}
    save_checkpoint(folder / WEIGHTS, {"model": weights}, asdict(trainer.progress))
    with replaced_file(folder / DATA) as path, path.open("wb") as stream:
        np.savez_compressed(stream, **_arrays(dataset))
    facts = {
        "format": FORMAT,
        "run": folder.parent.name,
        "model": model,
        "dataset": dataset.name,
        "epochs": trainer.progress.next_epoch,
        "max_length": dataset.max_length,
        "held_out_sessions": len(dataset.evaluation),
        "settings": plain_settings(config),
        "versions": records.versions(),
    }
    with replaced_file(folder / FACTS) as path:
        path.write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")
    return folder


def read_saved_run(folder: Path) -> SavedRun:
    """Read ``saved/RUN`` (or its ``final`` folder).

    Raises:
        UserError: it is no finished run, a file is damaged, or the files do not fit together.
    """
    home = folder / FINAL if os.path.isdir(folder / FINAL) else folder
    facts = _read_facts(home / FACTS)
    dataset = _read_dataset(home / DATA, facts)
    tensors, _ = load_checkpoint(home / WEIGHTS, ADVICE)
    if not isinstance(tensors, dict) or not isinstance(tensors.get("model"), dict):
        raise UserError(f"{home / WEIGHTS}: holds no model; {ADVICE}")
    return SavedRun(
        name=facts["run"],
        model=facts["model"],
        settings=facts["settings"],
        epochs=facts["epochs"],
        dataset=dataset,
        weights=tensors["model"],
    )


_FACT_TYPES: dict[str, type] = {
    "run": str,
    "model": str,
    "dataset": str,
    "epochs": int,
    "max_length": int,
    "held_out_sessions": int,
    "settings": dict,
}


def _read_facts(path: Path) -> dict[str, Any]:
    if not os.path.isfile(path):  # pathlib's raises where a name is too long
        raise UserError(
            f"{path.parent} is no finished run (no {FACTS}); --run takes a folder below saved/ "
            "whose run has ended: give its command again to finish it, or --fresh to redo it"
        )
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        version = facts["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    if version != FORMAT:
        raise UserError(f"{path}: format {version} of a saved run; upgrade recbole_a2d")
    for key, kind in _FACT_TYPES.items():
        value = facts.get(key)
        whole = not isinstance(value, int) or 0 <= value < 2**40
        if not isinstance(value, kind) or not whole:
            raise UserError(f"{path}: '{key}' is missing or damaged; {ADVICE}")
    _check_model(path, facts["model"])
    return facts


def _check_model(path: Path, name: str) -> None:
    try:
        model_class(name)
    except UserError as error:
        raise UserError(
            f"{path}: 'model' is {name!r}, which is no model of this version; upgrade recbole_a2d, "
            f"or {ADVICE}"
        ) from error


def _read_dataset(path: Path, facts: Mapping[str, Any]) -> SessionDataset:
    with opened_arrays(path, ADVICE) as content:
        dataset = _dataset(dict(content), facts)
        _check(dataset)
    return dataset


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be read ({reason(error)}); {ADVICE}")


def _arrays(dataset: SessionDataset) -> dict[str, NDArray[Any]]:
    items, categories = _pack(dataset.item_tokens), _pack(dataset.category_tokens)
    arrays = {
        "train_items": dataset.train.items,
        "train_lengths": dataset.train.lengths,
        "category_of_item": dataset.category_of_item,
        "item_token_lengths": items[1],
        "category_token_lengths": categories[1],
    }
    small: dict[str, NDArray[Any]] = {name: _smallest(array) for name, array in arrays.items()}
    return small | {"item_tokens": items[0], "category_tokens": categories[0]}


def _dataset(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> SessionDataset:
    def whole(name: str) -> IntArray:
        if arrays[name].ndim != 1 or arrays[name].dtype.kind not in "ui":
            raise ValueError(f"{name} must be a row of whole numbers")
        return arrays[name].astype(np.int64)

    nobody = np.zeros(facts["held_out_sessions"] + 1, np.int64)
    return SessionDataset(
        name=facts["dataset"],
        train=Sessions.from_lengths(whole("train_items"), whole("train_lengths")),
        evaluation=Sessions(np.empty(0, np.int64), nobody),
        item_tokens=_unpack(arrays["item_tokens"], whole("item_token_lengths")),
        category_of_item=whole("category_of_item"),
        category_tokens=_unpack(arrays["category_tokens"], whole("category_token_lengths")),
        max_length=facts["max_length"],
    )


def _check(dataset: SessionDataset) -> None:
    items, categories = dataset.train.items, dataset.category_of_item
    if len(items) == 0 or not 1 <= items.min() <= items.max() < dataset.n_items:
        raise ValueError("training clicks do not fit the item names")
    if len(categories) != dataset.n_items or not (
        0 <= categories.min() <= categories.max() < dataset.n_categories
    ):
        raise ValueError("categories do not fit the items or the category names")
    if (dataset.train.lengths < 0).any() or dataset.max_length < 1:
        raise ValueError("a session or prefix has a negative length")


def _pack(tokens: StringArray) -> tuple[NDArray[np.uint8], IntArray]:
    """Names as one run of UTF-8 bytes and the length of each: no pickle, no padding."""
    encoded = [str(token).encode("utf-8") for token in tokens]
    lengths = np.array([len(token) for token in encoded], np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), lengths


def _unpack(packed: NDArray[np.uint8], lengths: IntArray) -> StringArray:
    if packed.dtype != np.uint8 or packed.ndim != 1 or lengths.sum() != len(packed):
        raise ValueError("names are cut short")
    content, ends = packed.tobytes(), np.cumsum(lengths)
    bounds = zip((ends - lengths).tolist(), ends.tolist(), strict=True)
    return np.array([content[start:end].decode("utf-8") for start, end in bounds], dtype=object)


def _smallest(numbers: IntArray) -> NDArray[Any]:
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
