"""The three forms of published data say the same and are checked alike."""

from __future__ import annotations

import pickle
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data.readers.release import (
    Release,
    _release,
    read_release,
    require_words,
    write_archive,
    write_texts,
)
from recbole_a2d.errors import UserError

SESSION = st.lists(st.integers(1, 70_000), min_size=2, max_size=5)


def publish(folder: Path, train: Any, test: Any, category: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in (("all_train_seq", train), ("test", test), ("category", category)):
        (folder / f"{name}.txt").write_bytes(pickle.dumps(content))
    return folder


def named(release: Release) -> tuple[list[list[str]], list[list[str]], dict[str, str]]:
    train, test = (
        [release.item_tokens[split[number]].tolist() for number in range(len(split))]
        for split in (release.train, release.test)
    )
    return train, test, release.category_of_item


@settings(max_examples=60, deadline=None)
@given(
    st.lists(SESSION, min_size=1, max_size=5),
    st.lists(SESSION, min_size=1, max_size=3),
    st.dictionaries(st.integers(1, 70_000), st.integers(0, 99), max_size=5),
)
def test_all_forms_read_the_same(
    train: list[list[int]], test: list[list[int]], category: dict[int, int]
) -> None:
    rows = [(s[:end], s[end]) for s in test for end in range(len(s) - 1, 0, -1)]
    expected = (
        [list(map(str, session)) for session in train],
        [list(map(str, session)) for session in test],
        {str(item): str(value) for item, value in category.items()},
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prefixes, targets = zip(*rows, strict=True)
        raw = publish(folder / "raw", train, (list(prefixes), list(targets)), category)
        release = read_release(raw)
        assert named(release) == expected
        write_texts(folder / "text", release)
        assert named(read_release(folder / "text")) == expected
        write_archive(folder / "npz", release)
        assert named(read_release(folder / "npz")) == expected


def test_text_ids_may_be_any_word(tmp_path: Path) -> None:
    (tmp_path / "train_sessions.txt").write_text("été 007 7\n x  y \n", encoding="utf-8")
    (tmp_path / "test_sessions.txt").write_text("7 été", encoding="utf-8")
    (tmp_path / "categories.txt").write_text("été warm\n", encoding="utf-8")
    expected = ([["été", "007", "7"], ["x", "y"]], [["7", "été"]], {"été": "warm"})
    release = read_release(tmp_path)
    assert named(release) == expected
    write_archive(tmp_path / "npz", release)
    assert named(read_release(tmp_path / "npz")) == expected


def test_a_mark_of_byte_order_is_no_part_of_an_id(tmp_path: Path) -> None:
    for name, text in (
        ("train_sessions", "1 2\n"),
        ("test_sessions", "2 1"),
        ("categories", "1 7"),
    ):
        (tmp_path / f"{name}.txt").write_text("\ufeff" + text, encoding="utf-8")
    assert named(read_release(tmp_path)) == ([["1", "2"]], [["2", "1"]], {"1": "7"})


WORDS = st.text(st.sampled_from("1aé\ufeff"), min_size=1, max_size=3)
IDS = WORDS | WORDS | WORDS | st.text(st.sampled_from("1 \t\n\x1c\x85\u3000\ud800"), max_size=2)


@settings(max_examples=300)
@given(
    train=st.lists(st.lists(IDS, min_size=2, max_size=3), min_size=1, max_size=2),
    category=st.dictionaries(IDS, IDS, max_size=2),
)
def test_text_gives_back_what_it_takes(train: list[list[str]], category: dict[str, str]) -> None:
    """Ids that it would give back as others are refused."""
    ids = [*(token for session in train for token in session), *category, *category.values()]
    release = _release(train, train, category)
    if all(token and token[0] != "\ufeff" and set(token) <= set("1aé\ufeff") for token in ids):
        require_words(release)
        with tempfile.TemporaryDirectory() as folder:
            write_texts(Path(folder), release)
            assert named(read_release(Path(folder))) == (train, train, category)
    else:
        with pytest.raises(UserError, match="is not one word, .* --to-npz instead of --to-text"):
            require_words(release)


ROWS = ([[1]], [2])
BROKEN = [
    ({}, ROWS, {}, r"all_train_seq.txt must hold a list of sessions, it holds a dict"),
    ([[1, 2], 3], ROWS, {}, r"all_train_seq.txt, session 2: must be a list of items"),
    ([[1, 2], []], ROWS, {}, r"all_train_seq.txt, session 2: must be a list of items, not empty"),
    ([[1, [2]]], ROWS, {}, r"all_train_seq.txt, session 1: every item must be a whole number"),
    ([[1, 2]], [[[1]]], {}, r"test.txt must hold a pair"),
    ([[1, 2]], ([[1]], [2, 3]), {}, r"test.txt holds 1 prefixes but 2 targets"),
    ([[1, 2]], ([[1, 2]], [3]), {}, r"test.txt, row 1: the shorter prefixes"),
    ([[1, 2]], ROWS, [], r"category.txt must hold a dict item -> category, not a list"),
    ([[1, 2]], ROWS, {1: [2]}, r"category.txt, item 1: item and category must be whole numbers"),
]


@pytest.mark.parametrize(("train", "test", "category", "message"), BROKEN)
def test_wrong_types(tmp_path: Path, train: Any, test: Any, category: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_release(publish(tmp_path / "raw", train, test, category))


def test_true_is_not_a_number(tmp_path: Path) -> None:
    publish(tmp_path / "raw", [[1, 2]], ROWS, {})
    (tmp_path / "raw" / "all_train_seq.txt").write_bytes(pickle.dumps([[1, True]], 0))
    with pytest.raises(UserError, match="every item must be a whole number"):
        read_release(tmp_path / "raw")


@pytest.mark.parametrize("name", ["test.txt", "category.txt"])
def test_a_missing_pickle(tmp_path: Path, name: str) -> None:
    (publish(tmp_path / "raw", [[1, 2]], ROWS, {}) / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        read_release(tmp_path / "raw")


def test_no_form_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds neither all_train_seq.txt nor .*--raw"):
        read_release(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train_sessions.txt", "1 2\n\n3 4\n", r"train_sessions.txt, line 2: empty line"),
        ("categories.txt", "1 a\n2 b c\n", r"categories.txt, line 2: must be `item category`"),
        ("categories.txt", "1 a\n1 b\n", r"categories.txt, line 2: must be `item category`, once"),
    ],
)
def test_broken_text(tmp_path: Path, name: str, text: str, message: str) -> None:
    for file, content in (
        ("train_sessions.txt", "1 2\n"),
        ("test_sessions.txt", "2 1\n"),
        ("categories.txt", "1 a\n"),
    ):
        (tmp_path / file).write_text(content)
    read_release(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_release(tmp_path)


def archive(folder: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {
        "train_items": np.array([1, 2, 1]),
        "train_offsets": np.array([0, 3]),
        "test_items": np.array([2, 1]),
        "test_offsets": np.array([0, 2]),
        "category_items": np.array([1]),
        "categories": np.array([5]),
    }
    arrays.update(changes)
    np.savez(folder / "sessions.npz", **arrays)
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"train_items": np.array([[1, 2, 1]])},
        {"train_items": np.array([1.0, 2.0, 1.0])},
        {"train_items": np.array([1, "a", {}], dtype=object)},
        {"train_offsets": np.array([0, 2])},
        {"train_offsets": np.array([0, 2, 2, 3])},
        {"train_offsets": np.array([], dtype=np.int64)},
        {"categories": np.array([5, 6])},
    ],
)
def test_broken_archive(tmp_path: Path, changes: Any) -> None:
    read_release(archive(tmp_path))
    with pytest.raises(UserError, match=r"sessions.npz is not a whole archive"):
        read_release(archive(tmp_path, **changes))


def test_truncated_and_oversized_archive(tmp_path: Path) -> None:
    path = archive(tmp_path) / "sessions.npz"
    with pytest.raises(UserError, match="raise --max-mib"):
        read_release(tmp_path, max_bytes=100)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="is not a whole archive"):
        read_release(tmp_path)


def test_archive_with_any_byte_changed(tmp_path: Path) -> None:
    """It is refused in one line, or read where the byte means nothing, whatever the damage."""
    path = archive(tmp_path) / "sessions.npz"
    with np.load(path) as arrays:
        np.savez_compressed(path, **dict(arrays))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(UserError):
            read_release(tmp_path)
