"""Search spaces in RecBole's ``.hyper`` format, read without evaluating anything.

::

    learning_rate   loguniform -8,-4          e^-8 to e^-4
    dropout         uniform    0.0,0.5
    heads           quniform   1,8,1          multiples of the last number
    category_weight choice     [0.1,0.25,0.5]
"""

from __future__ import annotations

import ast
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from recbole_a2d.command_line import typed
from recbole_a2d.errors import UserError
from recbole_a2d.model_list import MODELS
from recbole_a2d.resources import properties_folder

KINDS = {"choice": 1, "uniform": 2, "quniform": 3, "loguniform": 2}
"""Kinds of a parameter and how many numbers they take (a choice: one list)."""

LARGEST_EXPONENT = math.log(sys.float_info.max)
"""Of e, so that the power is a number."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One line of a space.

    Attributes:
        name: a key of the settings.
        kind: of :data:`KINDS`.
        values: the options of a choice; else low, high (exponents of e for loguniform), step.
    """

    name: str
    kind: str
    values: tuple[Any, ...]

    def sample(self, random: np.random.Generator) -> Any:
        """One value, drawn as hyperopt draws it."""
        if self.kind == "choice":
            return self.values[int(random.integers(len(self.values)))]
        number = float(random.uniform(self.values[0], self.values[1]))
        if self.kind == "loguniform":
            return math.exp(number)
        if self.kind == "quniform":
            return self.from_hyperopt(round(number / self.values[2]) * self.values[2])
        return number

    def from_hyperopt(self, value: Any) -> Any:
        """A setting from hyperopt's value: the place of a choice's option, else a number."""
        if self.kind == "choice":
            return self.values[int(value)]
        number = float(value)
        whole = self.kind == "quniform" and float(self.values[2]).is_integer()
        return int(number) if whole and number.is_integer() else number

    def to_hyperopt(self, setting: Any) -> Any:
        """Inverse of :meth:`from_hyperopt`."""
        return self.values.index(setting) if self.kind == "choice" else setting

    def holds(self, setting: Any) -> bool:
        """Whether a setting is an option of a choice; else, whether it is a number."""
        if self.kind == "choice":
            return setting in self.values
        return isinstance(setting, (int, float)) and not isinstance(setting, bool)


@dataclass(frozen=True)
class SearchSpace:
    """All parameters of a search."""

    parameters: tuple[Parameter, ...]

    @property
    def size(self) -> int | None:
        """Number of combinations; None where a parameter is no choice."""
        if any(parameter.kind != "choice" for parameter in self.parameters):
            return None
        return math.prod(len(parameter.values) for parameter in self.parameters)

    def grid(self) -> Iterator[Settings]:
        """Every combination, the last parameter fastest.

        Raises:
            UserError: a parameter is no choice.
        """
        if self.size is None:
            loose = next(p.name for p in self.parameters if p.kind != "choice")
            raise UserError(
                f"exhaustive search needs choices, and '{loose}' is none; take --algo=random "
                "or --algo=bayes"
            )
        names = [parameter.name for parameter in self.parameters]
        for values in product(*(parameter.values for parameter in self.parameters)):
            yield dict(zip(names, values, strict=True))

    def holds(self, settings: Settings) -> bool:
        """Whether settings are a combination of this space."""
        names = {parameter.name for parameter in self.parameters}
        return settings.keys() == names and all(p.holds(settings[p.name]) for p in self.parameters)

    def sample(self, random: np.random.Generator) -> Settings:
        """One combination drawn at random."""
        return {parameter.name: parameter.sample(random) for parameter in self.parameters}

    def as_recbole(self) -> dict[str, dict[str, list[Any]]]:
        """The ``params_dict`` of RecBole's HyperTuning; a choice stands for its options' places.

        Options themselves may be lists, which hyperopt would take apart.
        """
        table: dict[str, dict[str, list[Any]]] = {}
        for parameter in self.parameters:
            values = list(parameter.values)
            if parameter.kind == "choice":
                values = list(range(len(values)))
            table.setdefault(parameter.kind, {})[parameter.name] = values
        return table

    def from_recbole(self, values: Settings) -> Settings:
        """Settings from what HyperTuning hands to its objective."""
        return {p.name: p.from_hyperopt(values[p.name]) for p in self.parameters}


def find_space(given: str | None, model: str) -> Path:
    """File of a space: a path, a name in ``properties/tune``, or by default the model's own.

    Raises:
        UserError: there is none.
    """
    folder = properties_folder() / "tune"
    named = folder / f"{given or model}.hyper"
    if given is not None and Path(given).exists():
        return Path(given)
    if named.is_file():
        return named
    if given is not None:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.hyper")))
        raise UserError(f"--space={given}: no such file, nor a space of properties/tune ({known})")
    if model in MODELS and not MODELS[model].options:
        raise UserError(f"{model} has no options, so there is nothing to search")
    raise UserError(
        f"{model} has no search space (no {named.name} in properties/tune); "
        "give one with --space=FILE"
    )


def read_space(path: Path) -> SearchSpace:
    """Read a ``.hyper`` file: ``NAME KIND VALUES`` a line; lines that begin with # are left out.

    Raises:
        UserError: a line cannot be read; the message gives its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); check the path") from error
    parameters = [
        _parameter(line.split(), f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: '{name}' stands here twice; keep one line")
    if not names:
        raise UserError(f"{path}: holds no parameter; write lines like 'dropout choice [0.1,0.3]'")
    return SearchSpace(tuple(parameters))


def _parameter(words: list[str], where: str) -> Parameter:
    if len(words) < 3 or words[1] not in KINDS:
        raise UserError(f"{where}: must be NAME, one of {', '.join(KINDS)}, and values")
    name, kind, text = words[0], words[1], " ".join(words[2:])
    try:
        read = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise UserError(f"{where}: '{text}' is not a list of values") from None
    if kind == "choice":
        return Parameter(name, kind, _options(name, read, where))
    return Parameter(name, kind, _numbers(kind, read, where))


def _options(name: str, read: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(read, (list, tuple)) or not read:
        raise UserError(f"{where}: a choice needs its options, like [0.1,0.3]")
    # RecBole's own files write a list among the options as text: '[0.25,0.5]'.
    options = tuple(typed(name, value) if isinstance(value, str) else value for value in read)
    for option in options:
        if not _recorded_as_it_is(option):
            raise UserError(
                f"{where}: {option!r} cannot be an option; take a number, a word, true, false, "
                "none, or a list of such in [ ]"
            )
    return options


def _recorded_as_it_is(option: Any) -> bool:
    """Whether a trial's record gives an option back: no date, no tuple, no NaN."""
    try:
        return bool(json.loads(json.dumps(option)) == option)
    except (TypeError, ValueError):
        return False


def _numbers(kind: str, read: Any, where: str) -> tuple[float, ...]:
    numbers = read if isinstance(read, tuple) else (read,)
    fine = all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers)
    if len(numbers) != KINDS[kind] or not fine or numbers[0] >= numbers[1]:
        raise UserError(f"{where}: {kind} needs {KINDS[kind]} numbers, the lower bound first")
    if kind == "loguniform" and numbers[1] > LARGEST_EXPONENT:
        raise UserError(
            f"{where}: the numbers of loguniform are exponents of e, and e to the {numbers[1]} is "
            "too large; -8,-4 is 0.0003 to 0.018"
        )
    if kind == "quniform" and numbers[2] <= 0:
        raise UserError(f"{where}: the step of quniform must be above 0")
    return tuple(numbers)
