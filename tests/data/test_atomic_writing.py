"""The prefix rows: as stock RecBole itself reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recbole.config import Config
from recbole.data import create_dataset, data_preparation

from benchmarks.stock import READ_PREFIXES
from recbole_a2d.data.atomic import read_atomic, write_atomic, write_prefixes
from recbole_a2d.data.atomic_writing import number_texts
from recbole_a2d.data.tables import SessionTables
from recbole_a2d.errors import UserError

LENGTH = 3
SETTINGS = READ_PREFIXES | {
    "load_col": {
        "inter": ["session_id", "item_id_list", "item_id"],
        "item": ["item_id", "category"],
    },
    "train_batch_size": 4,
    "eval_batch_size": 4,
}


def naive_rows(tables: SessionTables, split: str) -> list[tuple[str, list[str], str]]:
    """(session, prefix cut to its last clicks, target) of every row, by plain loops."""
    clicks = tables.splits[split]
    rows = []
    for number, session in enumerate(clicks.session_tokens):
        items = [str(tables.item_tokens[code]) for code in clicks.sessions[number]]
        for end in range(1, len(items)):
            rows.append((session, items[:end][-LENGTH:], items[end]))
    return rows


def tokens(dataset: Any, field: str, ids: Any) -> Any:
    """Names of RecBole's internal ids, as (nested) lists."""
    return dataset.id2token(field, np.asarray(ids).astype(np.int64)).tolist()


@pytest.fixture
def folder(tmp_path: Path, toy_log: Any, monkeypatch: pytest.MonkeyPatch, request: Any) -> Path:
    """RecBole writes its logs into the working folder. The parameter puts spaces into names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["pytest"])
    training = [[0, 1, 2, 3, 0, 4], [1, 2], [3, 0, 5], [2, 2, 1], [4, 5, 1]]
    log = toy_log(
        training, [[0, 2, 1, 3, 5], [7, 1]], {"i0": "a", "i2": "b", "i4": "a"}, valid_fraction=0.4
    )
    if getattr(request, "param", False):
        for clicks in log.splits.values():
            clicks.session_tokens[:] = [f" {name} of  {name} " for name in clicks.session_tokens]
        log.category_tokens[:] = [f" {name} and {name}" for name in log.category_tokens]
    write_atomic(tmp_path / "toy", log, LENGTH)
    write_prefixes(tmp_path / "toy", log, LENGTH)
    return tmp_path / "toy"


@pytest.mark.parametrize("folder", [False, True], indirect=True)
def test_stock_recbole_reads_the_very_rows(folder: Path) -> None:
    settings = SETTINGS | {"data_path": str(folder.parent)}
    config = Config(model="GRU4Rec", dataset="toy", config_dict=settings)
    dataset = create_dataset(config)
    loaders = data_preparation(config, dataset)
    tables = read_atomic(folder)
    for split, loader in zip(("train", "valid", "test"), loaders, strict=True):
        rows = []
        for batch in loader:
            batch = batch if split == "train" else batch[0]
            for session, items, length, target in zip(
                tokens(dataset, "session_id", batch["session_id"]),
                tokens(dataset, "item_id_list", batch["item_id_list"]),
                batch["item_length"].tolist(),
                tokens(dataset, "item_id", batch["item_id"]),
                strict=True,
            ):
                assert set(items[length:]) <= {"[PAD]"}
                rows.append((session, items[:length], target))
        assert sorted(rows) == sorted(naive_rows(tables, split))
        assert len(rows) == tables.splits[split].sessions.rows


@pytest.mark.parametrize("folder", [False, True], indirect=True)
def test_stock_recbole_reads_the_categories(folder: Path, request: Any) -> None:
    settings = SETTINGS | {"data_path": str(folder.parent)}
    dataset = create_dataset(Config(model="GRU4Rec", dataset="toy", config_dict=settings))
    feature = dataset.get_item_feature()
    items = tokens(dataset, "item_id", feature["item_id"])
    categories = tokens(dataset, "category", feature["category"])
    found = dict(zip(items, categories, strict=True))
    a, b = (" a and a", " b and b") if request.node.callspec.params["folder"] else ("a", "b")
    assert {i: c for i, c in found.items() if c != "[PAD]"} == {"i0": a, "i2": b, "i4": a}


def test_layout(folder: Path) -> None:
    lines = (folder / "toy.prefix_test.inter").read_text().splitlines()
    assert lines[0] == "session_id:token\titem_id_list:token_seq\titem_id:token"
    assert lines[1:] == ["s5\ti0\ti2", "s5\ti0 i2\ti1", "s5\ti0 i2 i1\ti3", "s5\ti2 i1 i3\ti5"] + [
        "s6\ti7\ti1"
    ]


def test_the_folder_still_reads_and_can_be_replaced(folder: Path, toy_log: Any) -> None:
    read_atomic(folder)
    write_atomic(folder, toy_log([[0, 1], [1, 0]], [[0, 1]]))
    assert not list(folder.glob("*.prefix_*"))  # rows of the former data


MISREAD = ['say "a"', "NA", "nan", "null", "None", "#N/A N/A"]


@pytest.mark.parametrize(
    ("kind", "token"),
    [*((kind, token) for kind in ("item", "category", "session") for token in MISREAD)]
    + [("item", "a b"), ("item", " "), ("item", "a ")],
)
def test_tokens_that_stock_recbole_misreads(
    tmp_path: Path, toy_log: Any, kind: str, token: str
) -> None:
    log = toy_log([[0, 1], [1, 0]], [[0, 1]], {"i0": "a"})
    tokens = {"item": log.item_tokens, "category": log.category_tokens}
    tokens.get(kind, log.splits["test"].session_tokens)[0] = token
    write_atomic(tmp_path / "toy", log)
    with pytest.raises(UserError, match=f"{kind} id {token!r} holds a .*leave --prefixes out"):
        write_prefixes(tmp_path / "toy", log)
    assert not list(tmp_path.glob("toy/*prefix*"))


def test_length_must_be_positive(tmp_path: Path, toy_log: Any) -> None:
    with pytest.raises(UserError, match="prefix-length 0"):
        write_prefixes(tmp_path / "toy", toy_log([[0, 1], [1, 0]], [[0, 1]]), 0)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_written_as_python_writes_them(numbers: list[float]) -> None:
    expected = [str(int(n)) if n.is_integer() else repr(n) for n in numbers]
    assert number_texts(np.array(numbers)).to_pylist() == expected


@given(st.lists(st.floats(1e-3, 1e15) | st.integers(-(10**9), 10**12).map(lambda n: n / 1000)))
def test_times_of_usual_size_too(numbers: list[float]) -> None:
    expected = [str(int(n)) if n.is_integer() else repr(n) for n in numbers]
    assert number_texts(np.array(numbers, dtype=np.float64)).to_pylist() == expected
