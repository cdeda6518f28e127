"""Checkpoints carry data and nothing that runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from recbole_a2d.checkpoint import load_checkpoint, save_checkpoint
from recbole_a2d.errors import UserError


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a" / "last.pt"
    save_checkpoint(path, {"model": {"w": torch.arange(3)}}, {"epoch": 2, "score": 0.5})
    tensors, facts = load_checkpoint(path)
    assert torch.equal(tensors["model"]["w"], torch.arange(3))
    assert facts == {"epoch": 2, "score": 0.5}
    assert os.listdir(path.parent) == ["last.pt"]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("bomb-went-off",)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "facts": "{}", "tensors": Bomb()}, "bad.pt")
    Path("plain.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("bad.pt", "plain.pt"):
        with pytest.raises(UserError, match="not a readable checkpoint"):
            load_checkpoint(Path(name))
    assert not Path("bomb-went-off").exists()


@pytest.mark.parametrize("size", [0, 10, 500])
def test_truncated_file(size: int, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"w": torch.arange(100)}, {})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match="--fresh"):
        load_checkpoint(path)


def test_newer_format(tmp_path: Path) -> None:
    torch.save({"format": 99, "facts": "{}", "tensors": {}}, tmp_path / "x.pt")
    with pytest.raises(UserError, match="format 99"):
        load_checkpoint(tmp_path / "x.pt")
