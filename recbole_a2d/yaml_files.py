"""Yaml as this project reads it: safe, with numbers like ``1e-3``, errors in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from recbole_a2d.errors import UserError, reason


class _Loader(yaml.SafeLoader):
    """SafeLoader that takes ``1e-3`` for a number, as RecBole's users write it.

    A key that stands twice is an error, where yaml's own loader takes the last one.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Keys and values of a mapping."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*(\.[\d_]*)?|\.[\d_]+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str) -> Any:
    """Parse yaml text; ``where`` names it in errors."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise UserError(f"{where}: not valid yaml ({detail}); mend it and run again") from error


def read_yamls(paths: Iterable[Path]) -> dict[str, Any]:
    """What several yaml files say together, later ones stronger."""
    return {key: value for path in paths for key, value in read_yaml(path).items()}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a yaml file of keys and values; an empty file is an empty dict."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({reason(error)}); check the path") from error
    values = parse_yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path}: must hold 'key: value' lines; see properties/overall.yaml")
    return values
