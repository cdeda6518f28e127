"""Variants and presets as people read them: what each is for and what it sets."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

from recbole_a2d.command_line import as_typed
from recbole_a2d.config import choices
from recbole_a2d.resources import properties_folder
from recbole_a2d.yaml_files import read_yaml


def choices_table(kind: str) -> str:
    """All yaml files of ``properties/KIND`` as a Markdown table: name, purpose, settings."""
    lines = [f"| {kind} | what it is | sets |", "| --- " * 3 + "|"]
    for name in choices(kind):
        path = properties_folder() / kind / f"{name}.yaml"
        lines.append(f"| {name} | {purpose(path)} | {_settings(read_yaml(path))} |")
    return "\n".join(lines)


def purpose(path: Path) -> str:
    """The comment that a yaml file begins with, on one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.removeprefix("#").strip() for line in comment)


def _settings(values: dict[str, Any]) -> str:
    per_dataset = values.pop("per_dataset", None) or {}
    everywhere = " ".join(f"`{key}={as_typed(value)}`" for key, value in values.items())
    somewhere = [f"on {name} {_settings(of_name)}" for name, of_name in per_dataset.items()]
    return "; ".join(filter(None, [everywhere, *somewhere])) or "nothing"
