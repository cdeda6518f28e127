"""Damage of any kind is told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recbole_a2d.array_file import opened_arrays
from recbole_a2d.errors import UserError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.npz"
    np.savez_compressed(path, ranks=np.arange(40))
    return path


def read(path: Path) -> list[int]:
    with opened_arrays(path, "make it again") as content:
        found: list[int] = content["ranks"].tolist()
    return found


def test_arrays_are_read(file: Path) -> None:
    assert read(file) == list(range(40))


def test_every_cut_is_told(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="make it again") as raised:
            read(file)
        assert str(raised.value).startswith(f"{file}: cannot be read (")


def test_every_changed_byte_is_told_or_does_not_matter(file: Path) -> None:
    whole, told = file.read_bytes(), []
    for place in range(len(whole)):
        for change in (1, 255):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
            try:
                assert read(file) == list(range(40))
            except UserError as error:
                told.append(str(error))
    assert told
    assert "\n" not in "".join(told)


def test_what_is_missing_or_no_archive_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "none.npz")
    np.savez(file, other=np.arange(3))
    with pytest.raises(UserError, match="ranks"):
        read(file)
    with file.open("wb") as stream:
        np.save(stream, np.arange(3))
    with pytest.raises(UserError, match="make it again"):
        read(file)


def test_what_the_block_finds_wrong_is_told(file: Path) -> None:
    with (
        pytest.raises(UserError, match=r"\(too long\); make it again"),
        opened_arrays(file, "make it again"),
    ):
        raise ValueError("too long")
