"""The published files of three data sets, click by click, where they are at hand."""

from __future__ import annotations

import os
import pickle
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.data.atomic import read_atomic, write_atomic
from recbole_a2d.data.readers import READERS
from recbole_a2d.data.tables import ConvertedLog

CHECKOUT = Path(__file__).parents[3]
DATA = Path(os.environ.get("RECBOLE_A2D_DATA", CHECKOUT.parent / "shared" / "data"))

# name: training rows (train and valid), test rows, training items, categories, unseen targets
COUNTS = {
    "tmall": (351_268, 25_898, 40_727, 711, 0),
    "diginetica": (719_470, 60_858, 43_097, 995, 0),
    "yoochoose1_64": (369_859, 55_898, 17_376, 35, 412),
}


def raw_folder(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is absent; RECBOLE_A2D_DATA names the folder of the real data")
    return DATA / name


def read(folder: Path, name: str, **options: Any) -> ConvertedLog:
    arguments = {"valid_fraction": 0.05, "max_mib": 1024, "to_text": None, "to_npz": None}
    arguments.update(options)
    return READERS["published"].read(Namespace(raw=folder, name=name, **arguments))


def published(name: str, file: str) -> Any:
    """The content of a published file, by Python's own reader: it is known to be plain."""
    with (DATA / name / file).open("rb") as stream:
        return pickle.load(stream)


@pytest.fixture(scope="module", params=COUNTS)
def converted(request: Any, tmp_path_factory: Any) -> tuple[str, Path]:
    name = request.param
    folder = tmp_path_factory.mktemp("atomic") / name
    write_atomic(folder, read(raw_folder(name), name))
    return name, folder


def test_counts_of_the_paper(converted: tuple[str, Path]) -> None:
    name, folder = converted
    manifest = read_atomic(folder).manifest
    assert manifest is not None
    rows, test_rows, items, categories, unseen_targets = COUNTS[name]
    assert manifest.rows["train"] + manifest.rows["valid"] == rows
    assert manifest.rows["test"] == test_rows
    assert manifest.items == items
    assert manifest.categories == categories
    assert manifest.items_without_category == 0
    assert manifest.unseen_target_rows == unseen_targets
    n_training = manifest.sessions["train"] + manifest.sessions["valid"]
    assert manifest.sessions["valid"] == round(n_training / 20)


def test_rows_and_sessions_are_the_published_ones(converted: tuple[str, Path]) -> None:
    name, folder = converted
    tables = read_atomic(folder)
    tokens = [int(token) for token in tables.item_tokens]
    rows: Counter[tuple[tuple[int, ...], int]] = Counter()
    for number in range(len(tables.test)):
        session = [tokens[code] for code in tables.test[number]]
        rows.update((tuple(session[:end]), session[end]) for end in range(1, len(session)))
    prefixes, targets = published(name, "test.txt")
    assert rows == Counter(zip(map(tuple, prefixes), targets, strict=True))
    training = tables.train.append(tables.valid)
    sessions = [[tokens[code] for code in training[n]] for n in range(len(training))]
    assert sessions == published(name, "all_train_seq.txt")


def test_categories_are_the_published_ones(converted: tuple[str, Path]) -> None:
    name, folder = converted
    tables = read_atomic(folder)
    category = published(name, "category.txt")
    for code in range(tables.n_training_items):
        found = tables.category_tokens[tables.category_of_code[code]]
        assert int(found) == category[int(tables.item_tokens[code])]
    assert (tables.category_of_code[tables.n_training_items :] == -1).all()


def test_yoochoose_says_what_its_categories_are(converted: tuple[str, Path]) -> None:
    name, folder = converted
    if name != "yoochoose1_64":
        pytest.skip("a remark on Yoochoose alone")
    manifest = read_atomic(folder).manifest
    assert manifest is not None
    assert any("60 categories" in note and "341" in note for note in manifest.notes)


def test_twins_of_the_real_files(tmp_path: Path) -> None:
    raw = raw_folder("tmall")
    log = read(raw, "tmall", to_text=tmp_path / "text", to_npz=tmp_path / "npz")
    expected = write_atomic(tmp_path / "tmall", log)
    for write in log.afterwards:
        write()
    for twin in ("text", "npz"):
        assert write_atomic(tmp_path / "tmall", read(tmp_path / twin, "tmall")) == expected
