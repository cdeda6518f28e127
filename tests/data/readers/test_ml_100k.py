"""Ratings cut into sessions, against a plain loop."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.data.manifest import describe
from recbole_a2d.data.readers import READERS
from recbole_a2d.data.readers.ml_100k import example_folder, user_sessions
from recbole_a2d.data.tables import ConvertedLog
from recbole_a2d.errors import UserError

HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def read(**options: Any) -> ConvertedLog:
    arguments = {"raw": None, "gap_seconds": 60.0, "test_fraction": 0.1, "valid_fraction": 0.05}
    return READERS["ml-100k"].read(Namespace(name="ml-100k", **(arguments | options)))


@pytest.fixture(scope="module")
def log() -> ConvertedLog:
    return read()


def test_sessions_are_cut_at_pauses_and_users(tmp_path: Path) -> None:
    ratings = "b\tx\t1\t100\na\ty\t1\t300\na\tx\t1\t100\na\tz\t1\t160\na\tw\t1\t100\nb\ty\t1\t161\n"
    (tmp_path / "r.inter").write_text(HEADER + ratings)
    clicks, tokens = user_sessions(tmp_path / "r.inter", 60)
    items = [tokens[clicks.sessions[n]].tolist() for n in range(len(clicks.sessions))]
    assert dict(zip(clicks.session_tokens, items, strict=True)) == {
        "b-1": ["x"],
        "b-2": ["y"],
        "a-1": ["x", "w", "z"],
        "a-2": ["y"],
    }
    assert clicks.timestamps.tolist() == [100, 161, 100, 100, 160, 300]


def test_the_real_ratings_against_a_plain_loop(log: ConvertedLog) -> None:
    ratings: dict[str, list[tuple[float, str]]] = {}
    for line in (example_folder() / "ml-100k.inter").read_text().splitlines()[1:]:
        user, item, _, time = line.split("\t")
        ratings.setdefault(user, []).append((float(time), item))
    sessions = []
    for clicks in ratings.values():
        last = None
        for time, item in sorted(clicks, key=lambda click: click[0]):
            if last is None or time - last > 60:
                sessions.append([])
            sessions[-1].append((time, item))
            last = time
    sessions = [session for session in sessions if len(session) > 1]
    counts: dict[str, int] = {}
    for session in sessions:
        for _, item in session:
            counts[item] = counts.get(item, 0) + 1
    sessions = [[click for click in session if counts[click[1]] >= 5] for session in sessions]
    sessions = [session for session in sessions if len(session) > 1]
    sessions.sort(key=lambda session: session[-1][0])
    cut = len(sessions) - round(len(sessions) * 0.1)
    seen = {item for session in sessions[:cut] for _, item in session}
    test = [[item for _, item in session if item in seen] for session in sessions[cut:]]

    def named(splits: tuple[str, ...]) -> list[list[str]]:
        parts = [log.splits[split].sessions for split in splits]
        return [log.item_tokens[part[n]].tolist() for part in parts for n in range(len(part))]

    expected = [[item for _, item in session] for session in sessions[:cut]]
    assert sorted(named(("train", "valid"))) == sorted(expected)
    assert sorted(named(("test",))) == sorted(session for session in test if len(session) > 1)


def test_test_sessions_end_after_all_others(log: ConvertedLog) -> None:
    ends = [
        split.timestamps[split.sessions.offsets[1:] - 1]
        for split in (log.splits[name] for name in ("train", "valid", "test"))
    ]
    assert ends[0].max() <= ends[1].min()
    assert ends[1].max() <= ends[2].min()


def test_category_is_the_first_genre(log: ConvertedLog) -> None:
    names = {item: code for code, item in enumerate(log.item_tokens)}
    toy_story = log.category_tokens[log.category_of_code[names["1"]]]
    assert toy_story == "Animation"
    assert describe(log, {}).items_without_category == 0


@pytest.mark.parametrize("options", [{"gap_seconds": 0.0}, {"test_fraction": 1.0}])
def test_bad_options(options: Any) -> None:
    with pytest.raises(UserError, match="must be above 0"):
        read(**options)


REMEDY = "give the folder that holds ml-100k.inter and ml-100k.item to --raw$"


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"ml-100k.inter is missing: {REMEDY}"):
        read(raw=tmp_path)
    with pytest.raises(UserError, match=rf"ml-100k.inter/ml-100k.inter is missing: {REMEDY}"):
        read(raw=example_folder() / "ml-100k.inter")
    (tmp_path / "ml-100k.inter").write_text(HEADER + "a\tx\t1\t100\n" * 9)
    with pytest.raises(UserError, match=rf"ml-100k.item is missing: {REMEDY}"):
        read(raw=tmp_path)


@pytest.mark.parametrize("text", [HEADER + "a\tx\t1\n", "user\titem\n"])
def test_broken_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "ml-100k.inter").write_text(text)
    with pytest.raises(UserError, match=rf"correct .*, or {REMEDY}"):
        read(raw=tmp_path)
