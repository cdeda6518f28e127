"""The grids hold what the paper's tables hold, and say no to what they vary themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.benchmark.paper import category_weights, paper_figure, paper_table
from recbole_a2d.benchmark.plan import command_of
from recbole_a2d.benchmark.suites import ABLATIONS, SUITES, Cell, cells_of
from recbole_a2d.command_line import split_pairs, typed
from recbole_a2d.config import choices
from recbole_a2d.errors import UserError
from recbole_a2d.model_list import MODELS
from recbole_a2d.run_names import new_name


def test_table2_holds_every_model_once_and_counted_ones_first() -> None:
    cells = cells_of(SUITES["table2"], "shop")
    plain = [cell.model for cell in cells if "variant" not in cell.settings]
    assert sorted(plain) == sorted(MODELS)
    assert {"Pop", "VSTAN"} <= set(plain[:8]) and "A2DMTL" not in plain[:8]


def test_table2_takes_models_and_variants() -> None:
    cells = cells_of(SUITES["table2"], "shop", ["GRU4Rec", "A2DMTL:wo_cate"], seeds=[1, 2])
    assert [(c.model, c.settings.get("variant"), c.settings["seed"]) for c in cells] == [
        ("GRU4Rec", None, 1),
        ("GRU4Rec", None, 2),
        ("A2DMTL", "wo_cate", 1),
        ("A2DMTL", "wo_cate", 2),
    ]


def test_ablations_are_variants_that_exist() -> None:
    assert set(ABLATIONS) - {"full"} <= set(choices("variant"))
    assert len(cells_of(SUITES["table3"], "shop")) == len(ABLATIONS) == 7


def test_figure3_sweeps_the_papers_values() -> None:
    swept = [cell.settings["category_weight"] for cell in cells_of(SUITES["figure3"], "tmall")]
    assert swept == category_weights() == [0.01, 0.1, 0.2, 0.23, 0.25, 0.27, 0.29, 0.3, 0.4, 0.5]


def test_leak_shares_its_plain_cell_with_table2() -> None:
    """The default bank is one of the audit's: that run must not be made twice."""
    leak = {new_name(c.config(), c.model) for c in cells_of(SUITES["leak"], "shop")}
    plain = Cell("A2DMTL", "shop")
    assert new_name(plain.config(), plain.model) in leak
    assert len(leak) == 5


@pytest.mark.parametrize(
    ("suite", "settings", "models", "message"),
    [
        ("table3", {"variant": "wo_cate"}, [], "leave --variant out"),
        ("leak", {"session_bank": "none"}, [], "leave --session_bank out"),
        ("figure3", {}, ["GRU4Rec"], "A2DMTL alone"),
        ("table2", {}, ["GRU4Rex"], "GRU4Rec"),
    ],
)
def test_bad_requests(suite: str, settings: dict, models: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cells_of(SUITES[suite], "shop", models, settings=settings)


@pytest.mark.parametrize(
    ("suite", "key", "value"),
    [
        ("table3", "variant", "wo_cate"),
        ("figure3", "category_weight", 0.1),
        ("leak", "graph_exclude_self", "false"),
    ],
)
def test_a_file_may_not_choose_what_the_suite_varies(
    tmp_path: Path, suite: str, key: str, value: Any
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(f"{key}: {value}\n")
    with pytest.raises(UserError, match=f"chooses {key} itself; leave {key} out of the file"):
        cells_of(SUITES[suite], "shop", files=(file,))


def test_a_file_is_stronger_than_what_a_suite_says_of_all_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("epochs: 7\n")
    (cell,) = cells_of(SUITES["smoke"], "shop", ["GRU4Rec"], files=(file,))
    assert (cell.config()["epochs"], cell.config()["embedding_size"]) == (7, 32)


def test_seed_and_seeds_contradict_each_other(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("seed: 7\n")
    for given in ({"settings": {"seed": 7}}, {"files": (file,)}):
        with pytest.raises(UserError, match="--seeds chooses the seed; leave "):
            cells_of(SUITES["smoke"], "shop", ["Pop"], seeds=[1], **given)


@pytest.mark.parametrize("suite", SUITES)
def test_a_cells_command_gives_the_cells_run(suite: str) -> None:
    for cell in cells_of(SUITES[suite], "shop", seeds=[7], settings={"clip_grad_norm": None}):
        pairs = dict(split_pairs(command_of(cell).split()[2:]))
        model, dataset = pairs.pop("model"), pairs.pop("dataset")
        given = {key: typed(key, value) for key, value in pairs.items()}
        again = Cell(model, dataset, given)
        assert new_name(again.config(), model) == new_name(cell.config(), cell.model)


def test_paper_rows_are_ours() -> None:
    assert set(paper_table("table2")) <= set(MODELS)
    assert set(paper_table("table3")) <= set(ABLATIONS)
    for table in ("table2", "table3"):
        for row in paper_table(table).values():
            assert set(row) == {"diginetica", "tmall", "yoochoose1_64"}
            assert all(hit > reciprocal for hit, reciprocal in row.values())
    assert paper_figure("table2", "A2DMTL", "diginetica", "hit@20") == 61.94
    assert paper_figure("table3", "full", "tmall", "mrr@20") == 17.43
    assert paper_figure("table2", "Pop", "tmall", "mrr@20") is None
    assert paper_figure("table2", "A2DMTL", "shop", "hit@20") is None
