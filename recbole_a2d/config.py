"""RecBole's Config fed from this project's yaml files, with unknown keys refused.

Precedence, lowest first: RecBole's defaults, ``properties/overall.yaml``,
``properties/model/MODEL.yaml`` and its ``per_dataset`` section,
``properties/dataset/DATASET.yaml``, ``properties/preset/PRESET.yaml`` and the model's
``per_preset`` section, ``properties/variant/VARIANT.yaml`` and its ``per_dataset`` section, files
given with ``--config``, the command line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole.config import Config

from recbole_a2d.data.names import check_name
from recbole_a2d.distributed import VISIBLE_GPUS, own_gpu, size
from recbole_a2d.errors import UserError, WrongValue
from recbole_a2d.registry import model_class
from recbole_a2d.resources import properties_folder
from recbole_a2d.setting_rules import check_settings, told_kinds, whole_numbers
from recbole_a2d.yaml_files import read_yaml

SECTIONS = ("per_dataset", "per_preset")
"""Parts of a model's yaml that hold settings by data set and by preset."""

IN_USE = frozenset({"gpu_id", "use_gpu"})
"""Keys of RecBole's that no yaml file of ours has and that do something here."""

NOT_A_SETTING = frozenset(
    {"device", "data_path", "show_progress", "checkpoint_dir", "results_dir"} | IN_USE
)
"""Keys that change where and how a run works, not what it computes."""

COMMAND_LINE = "the command line"
"""Where settings stand that no file has."""

PROCESSES = "processes"
"""The setting that says how many train together, where more than one do; no yaml file has it."""


class SessionConfig(Config):
    """RecBole's Config, built from already parsed values only.

    RecBole reads ``sys.argv`` and evaluates strings as Python; here values come typed from
    safe yaml, and nothing is evaluated.

    Attributes:
        given: where values were given, and which, the strongest last.
    """

    given: Sequence[tuple[str, Mapping[str, Any]]] = ()

    def told(self, error: WrongValue) -> UserError:
        """The same error, with the file that the value comes from."""
        return _with_place(error, self.given)

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _init_device(self) -> None:
        # One GPU a process; RecBole's own way would join the processes a second time. And it takes
        # the machine's first where gpu_id is not given, whatever CUDA_VISIBLE_DEVICES says.
        wanted = self.final_config_dict["gpu_id"]
        if "gpu_id" not in self.external_config_dict and VISIBLE_GPUS is not None:
            wanted = VISIBLE_GPUS
        named = wanted if isinstance(wanted, (list, tuple)) else ["" if wanted is None else wanted]
        self.final_config_dict["gpu_id"] = own_gpu(",".join(map(str, named)))
        super()._init_device()

    def _load_variable_config_dict(self, config_dict: dict[str, Any] | None) -> dict[str, Any]:
        return dict(config_dict or {})


def build_config(
    model: str,
    dataset: str,
    *,
    config_files: Iterable[Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> SessionConfig:
    """Merge all sources of settings into one RecBole Config.

    Args:
        model: a name of the registry.
        dataset: folder name below ``data_path``.
        config_files: yaml files, later ones stronger.
        overrides: typed values, the strongest.

    Raises:
        UserError: a data set name that leads elsewhere, an unknown model, variant, preset or key,
            a value that a key does not take, or a yaml that cannot be read.
    """
    check_name(dataset, "--dataset takes the name of a folder below data_path")
    chosen_class = model_class(model)
    given = [(str(path), read_yaml(path)) for path in config_files]
    given.append((COMMAND_LINE, dict(overrides or {})))
    own = _own_settings(model, dataset, _merge(values for _, values in given))
    for where, values in given:
        refuse_unknown(values, set(own) | IN_USE, where)
    kinds = _kinds(model)
    settings = whole_numbers(own | _merge(values for _, values in given), kinds)
    check_own = getattr(chosen_class, "check_settings", None)
    try:
        check_settings(settings, own, kinds)
        if check_own is not None:
            check_own(settings)
    except WrongValue as error:
        raise _with_place(error, given) from error
    if size() > 1:
        # Each takes train_batch_size rows a step, so their number changes what is computed.
        settings[PROCESSES] = size()
    config = SessionConfig(model=chosen_class, dataset=dataset, config_dict=settings)
    config.given = given
    return config


def _with_place(error: WrongValue, given: Iterable[tuple[str, Mapping[str, Any]]]) -> UserError:
    """The error with the file that the value comes from, which the command line is not."""
    where = [place for place, values in given if error.key in values]
    place = f"{where[-1]}: " if where and where[-1] != COMMAND_LINE else ""
    return UserError(f"{place}{error}")


def _own_settings(model: str, dataset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    folder = properties_folder()
    settings = read_yaml(folder / "overall.yaml")
    of_model = _on_dataset(read_model_yaml(model), dataset)
    per_preset = of_model.pop("per_preset", None) or {}
    settings |= of_model
    of_dataset = folder / "dataset" / f"{dataset}.yaml"
    if of_dataset.is_file():
        settings |= read_yaml(of_dataset)
    preset, variant = (str(given.get(kind, settings[kind])) for kind in ("preset", "variant"))
    settings |= read_choice("preset", preset) | per_preset.get(preset, {})
    if variant != "full":
        of_variant = _on_dataset(read_choice("variant", variant), dataset)
        if not of_variant.keys() <= settings.keys():
            raise UserError(f"variant '{variant}' is one of A2D-MTL; {model} has none")
        settings |= of_variant
    return settings


def _on_dataset(values: dict[str, Any], dataset: str) -> dict[str, Any]:
    """A file's settings with those of its section for the data set, which are stronger."""
    per_dataset = values.pop("per_dataset", None) or {}
    return values | per_dataset.get(dataset, {})


def _kinds(model: str) -> dict[str, str]:
    """Kinds of all keys of ``overall.yaml`` and of the model's file."""
    return told_kinds(properties_folder() / "overall.yaml") | told_kinds(_model_yaml(model))


def read_model_yaml(model: str) -> dict[str, Any]:
    """Settings of a model and its sections.

    ``recbole.NAME`` has those of NAME, so that the two differ in their code alone.
    """
    return read_yaml(_model_yaml(model))


def _model_yaml(model: str) -> Path:
    return properties_folder() / "model" / f"{model.removeprefix('recbole.')}.yaml"


def read_choice(kind: str, name: str) -> dict[str, Any]:
    """Read ``properties/KIND/NAME.yaml``; an unknown name is an error that lists the known."""
    path = properties_folder() / kind / f"{name}.yaml"
    known = choices(kind)
    if name not in known:
        raise UserError(f"unknown {kind} '{name}'; choose one of: {', '.join(known)}")
    return read_yaml(path)


def choices(kind: str) -> list[str]:
    """Names of the yaml files in ``properties/KIND``."""
    return sorted(path.stem for path in (properties_folder() / kind).glob("*.yaml"))


def plain_settings(config: SessionConfig) -> dict[str, Any]:
    """What the run was told, as JSON values: the external settings without its places."""
    return {
        key: value
        for key, value in sorted(config.external_config_dict.items())
        if key not in NOT_A_SETTING
    }


def _merge(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for values in sources:
        merged |= values
    return merged


def _recbole_keys() -> set[str]:
    from recbole.utils import (
        dataset_arguments,
        evaluation_arguments,
        general_arguments,
        training_arguments,
    )

    lists = (general_arguments, training_arguments, evaluation_arguments, dataset_arguments)
    return {key for keys in lists for key in keys}


def refuse_unknown(keys: Iterable[str], known: set[str], where: str) -> None:
    """Raise UserError at the first key that is not known, with a hint; ``where`` it stands."""
    for key in keys:
        if key not in known:
            raise UserError(f"unknown key '{key}' in {where}; {_hint(key, known)}")


def _hint(key: str, known: set[str]) -> str:
    if key in ("model", "dataset"):
        return f"give it on the command line: --{key}=NAME"
    if key in _recbole_keys():
        return "RecBole has it, but it changes nothing here: leave it out"
    models = [path.stem for path in sorted((properties_folder() / "model").glob("*.yaml"))]
    others = [model for model in models if key in read_model_yaml(model)]
    if others:
        return f"it belongs to {', '.join(others)}"
    near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.5)
    return f"did you mean: {', '.join(near)}?" if near else "properties/ has all keys"
