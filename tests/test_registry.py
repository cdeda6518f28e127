"""The registry is whole: every model has what a model must have, and the README says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_a2d.cli import main
from recbole_a2d.errors import UserError
from recbole_a2d.model_list import MODELS, ModelEntry
from recbole_a2d.registry import model_class, models_table, require_categories, trained_models
from recbole_a2d.resources import properties_folder
from recbole_a2d.tune.space import find_space
from recbole_a2d.yaml_files import read_yaml

ROOT = Path(__file__).parents[1]
TRAINED = (
    *("A2DMTL", "GRU4Rec", "STAMP", "SRGNN", "NARM", "CORE", "GCSAN", "SASRec"),
    *("GCEGNN", "MTD", "MSGIFSR", "AttenMixer", "MiaSRec", "MGS", "CLHHN"),
)
COUNTING = ("Pop", "SPop", "ItemKNN", "SR", "SKNN", "VSKNN", "STAN", "VSTAN")
EVERY_ENTRY = pytest.mark.parametrize("entry", MODELS.values(), ids=lambda entry: entry.name)


def test_names_of_the_command_line() -> None:
    assert tuple(MODELS) == (*TRAINED, *COUNTING)
    assert tuple(trained_models()) == TRAINED


@EVERY_ENTRY
def test_class_is_where_the_registry_says(entry: ModelEntry) -> None:
    loaded = entry.load()
    assert loaded is model_class(entry.name) and loaded.__name__ == entry.name
    assert loaded.__module__ == entry.file.removesuffix(".py").replace("/", ".")
    assert getattr(loaded, "uses_categories", False) is entry.categories


@EVERY_ENTRY
def test_files_are_there(entry: ModelEntry) -> None:
    for path in (entry.file, entry.test, f"docs/{entry.page}"):
        assert (ROOT / path).is_file(), path


@EVERY_ENTRY
def test_page_names_the_model_and_its_paper(entry: ModelEntry) -> None:
    page = (ROOT / "docs" / entry.page).read_text()
    assert entry.name in page or entry.title in page
    if entry.name in COUNTING:
        assert not entry.paper or f"{entry.venue} {entry.year}" in page
    elif entry.page == f"models/{entry.module}.md":
        assert entry.paper in page


@EVERY_ENTRY
def test_paper_is_whole_or_absent(entry: ModelEntry) -> None:
    parts = [bool(part) for part in (entry.authors, entry.paper, entry.venue, entry.year)]
    assert all(parts) or not any(parts)


@EVERY_ENTRY
def test_options_and_their_space(entry: ModelEntry) -> None:
    """A model has options and a search space, or the registry says that it has neither."""
    folder = properties_folder()
    assert bool(read_yaml(folder / "model" / f"{entry.name}.yaml")) is entry.options
    assert (folder / "tune" / f"{entry.name}.hyper").is_file() is entry.options
    if entry.options:
        assert find_space(None, entry.name).stem == entry.name
    else:
        with pytest.raises(UserError, match=f"{entry.name} has no options"):
            find_space(None, entry.name)


def test_readme_holds_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--models"]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed == models_table()
    assert printed in (ROOT / "README.md").read_text()


def test_categories_are_asked_for_and_alternatives_named() -> None:
    class Bare:
        name, n_categories = "bare", 1

    with pytest.raises(UserError, match="MGS needs item categories and bare has none") as caught:
        require_categories("MGS", Bare())
    named = str(caught.value).split("needs none: ")[1]
    for name, entry in MODELS.items():
        said = f"{name}," in named or named.startswith(f"{name},")
        assert said is not entry.categories, name
