"""Where the yaml files and the embedded data set live, in a checkout and in a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def properties_folder() -> Path:
    """The ``properties`` folder: inside the installed package, else beside it in a checkout."""
    return _first_existing("properties")


def embedded_data_folder() -> Path:
    """The ``dataset_atomic`` folder that ships with the package."""
    return _first_existing("dataset_atomic")


def _first_existing(name: str) -> Path:
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / name
