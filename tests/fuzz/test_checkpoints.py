"""Mutated and hostile checkpoints."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from recbole_a2d.checkpoint import load_checkpoint, save_checkpoint
from recbole_a2d.errors import UserError


def tensors_of(content: Any) -> Any:
    return (
        content.tolist()
        if isinstance(content, torch.Tensor)
        else {name: tensors_of(value) for name, value in content.items()}
    )


def test_checkpoints(tmp_path: Path, fuzz: Any) -> None:
    path = tmp_path / "model.pt"
    tensors = {"model": {"weight": torch.arange(12.0).view(3, 4)}, "step": torch.tensor(3)}
    facts = {"epoch": 3, "name": "toy"}
    save_checkpoint(path, tensors, facts)
    content, right, refused = path.read_bytes(), 0, 0
    for number, random in fuzz.cases():
        changed = content if number % 20 == 0 else fuzz.mutate(content, random)
        if random.random() < 0.2:
            changed = pickle.dumps({"format": 1, "facts": "{}", "tensors": Attack()})
        path.write_bytes(changed)
        found = fuzz.outcome(lambda: load_checkpoint(path))
        if isinstance(found, UserError):
            refused += 1
        else:
            right += 1
            assert found[1] == facts, number
            assert tensors_of(found[0]) == tensors_of(tensors), number
    fuzz.report("checkpoints", right, refused)


class Attack:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("false",)
