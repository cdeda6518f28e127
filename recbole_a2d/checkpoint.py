"""Checkpoints as data: tensors and JSON, written beside and renamed, read without pickle."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from recbole_a2d.array_file import DAMAGED
from recbole_a2d.errors import UserError, reason
from recbole_a2d.safe_write import replaced_file

FORMAT = 1
ADVICE = "delete it or run with --fresh"


def save_checkpoint(path: Path, tensors: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write nested dicts of tensors and JSON facts to one file, whole or not at all."""
    content = {"format": FORMAT, "facts": json.dumps(facts), "tensors": tensors}
    with replaced_file(path) as beside:
        torch.save(content, beside)


def load_checkpoint(path: Path, advice: str = ADVICE) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what :func:`save_checkpoint` wrote; only tensors and plain values are accepted.

    Args:
        path: of the file.
        advice: what to do where it cannot be read.

    Returns:
        ``(tensors, facts)``.

    Raises:
        UserError: the file is missing, damaged, or holds anything but data.
    """
    try:
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise UserError(f"{path}: checkpoint format {content['format']}; upgrade recbole_a2d")
        return content["tensors"], json.loads(content["facts"])
    # What torch's reader says of a damaged file depends on the damage.
    except (*DAMAGED, IndexError, AttributeError, AssertionError) as error:
        raise _unreadable(path, error, advice) from error
    except pickle.UnpicklingError as error:
        raise _unreadable(path, error, advice) from error


def _check_sums(path: Path) -> None:
    """Compare every part of the file with its sum, which torch's reader does not."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} is damaged")


def _unreadable(path: Path, error: Exception, advice: str) -> UserError:
    return UserError(f"{path}: not a readable checkpoint ({reason(error)}); {advice}")
