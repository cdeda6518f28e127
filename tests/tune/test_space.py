"""Spaces are read as RecBole reads them, and nothing in them is run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recbole.trainer.hyper_tuning import HyperTuning, _spacesize

from recbole_a2d.config import build_config
from recbole_a2d.errors import UserError
from recbole_a2d.model_list import MODELS
from recbole_a2d.resources import properties_folder
from recbole_a2d.tune.space import Parameter, find_space, read_space

FOLDER = properties_folder() / "tune"
FILES = sorted(FOLDER.glob("*.hyper"))
PARTIAL = {"A2DMTL-lambda", "A2DMTL-options"}
PAPER_GRID = (0.01, 0.1, 0.2, 0.23, 0.25, 0.27, 0.29, 0.3, 0.4, 0.5)


def test_every_model_has_a_space() -> None:
    tunable = {name for name, entry in MODELS.items() if entry.options}
    assert {path.stem for path in FILES} - PARTIAL == tunable


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recbole_reads_the_same_number_of_combinations(path: Path) -> None:
    assert read_space(path).size == _spacesize(HyperTuning._build_space_from_file(str(path)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_key_is_one_of_the_models(path: Path) -> None:
    space = read_space(path)
    settings = space.sample(np.random.default_rng(0))
    config = build_config(path.stem.split("-")[0], "shop", overrides=settings)
    assert all(config[key] == value for key, value in settings.items())


@pytest.mark.parametrize("name", ["A2DMTL", "A2DMTL-lambda"])
def test_lambda_is_searched_over_the_grid_of_the_paper(name: str) -> None:
    found = {p.name: p.values for p in read_space(FOLDER / f"{name}.hyper").parameters}
    assert found["category_weight"] == PAPER_GRID


def write(folder: Path, text: str) -> Path:
    path = folder / "x.hyper"
    path.write_text(text)
    return path


def test_kinds(tmp_path: Path) -> None:
    space = read_space(
        write(
            tmp_path,
            "# a remark\n\na choice ['[0.25,0.5]', 'x', 3]\nb uniform 0.1,0.5\n"
            "c quniform 1,8,1\nd loguniform -8,0\n",
        )
    )
    assert space.parameters == (
        Parameter("a", "choice", ([0.25, 0.5], "x", 3)),
        Parameter("b", "uniform", (0.1, 0.5)),
        Parameter("c", "quniform", (1, 8, 1)),
        Parameter("d", "loguniform", (-8, 0)),
    )
    assert space.size is None
    with pytest.raises(UserError, match="'b' is none"):
        list(space.grid())


def test_grid_holds_every_combination_once(tmp_path: Path) -> None:
    space = read_space(write(tmp_path, "a choice [1,2,3]\nb choice ['x',[1]]\n"))
    grid = list(space.grid())
    assert len(grid) == space.size == 6
    assert all(grid.count(settings) == 1 for settings in grid)


@given(st.integers(0, 2**32), st.sampled_from(["uniform", "quniform", "loguniform", "choice"]))
def test_samples_stay_inside(seed: int, kind: str) -> None:
    values = {"uniform": (1, 4), "quniform": (1, 4, 1), "loguniform": (-3, 1), "choice": (7, [8])}
    drawn = Parameter("p", kind, values[kind]).sample(np.random.default_rng(seed))
    if kind == "choice":
        assert drawn in values[kind]
    else:
        low, high = (math.exp(-3), math.exp(1)) if kind == "loguniform" else (1, 4)
        assert low <= drawn <= high
        assert kind != "quniform" or isinstance(drawn, int)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a choice\n", "line 1"),
        ("a choice [1]\nb wild 1,2\n", "line 2"),
        ("a choice __import__('os').mkdir('boom')\n", "not a list"),
        ("a choice []\n", "needs its options"),
        ("a uniform 2,1\n", "lower bound"),
        ("a uniform 1\n", "2 numbers"),
        ("a uniform 0,1e999\n", "2 numbers"),
        ("a quniform 1,2,0\n", "step"),
        ("a loguniform 1,1000\n", "line 1: the numbers of loguniform are exponents of e"),
        ("a choice [(1,2)]\n", r"line 1: \(1, 2\) cannot be an option"),
        ("a choice [1]\nb choice ['2024-01-31']\n", "line 2: .* cannot be an option"),
        ("a choice [1,b'x']\n", "line 1: b'x' cannot be an option"),
        ("a choice [1]\na choice [2]\n", "twice"),
        ("\n# nothing\n", "holds no parameter"),
    ],
)
def test_bad_lines_are_named(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        read_space(write(tmp_path, text))
    assert not Path("boom").exists()


def test_finding_a_space(tmp_path: Path) -> None:
    own = write(tmp_path, "a choice [1]\n")
    assert find_space(str(own), "GRU4Rec") == own
    assert find_space(None, "GRU4Rec") == FOLDER / "GRU4Rec.hyper"
    assert find_space("A2DMTL-lambda", "A2DMTL") == FOLDER / "A2DMTL-lambda.hyper"
    with pytest.raises(UserError, match="Pop has no options"):
        find_space(None, "Pop")
    with pytest.raises(UserError, match="no such file"):
        find_space("nonesuch", "GRU4Rec")
