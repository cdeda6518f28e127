"""A small shop to search on, and a search to kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recbole_a2d

COMMAND = "import sys; from recbole_a2d.tune.command import main; main(sys.argv[1:])"


@pytest.fixture
def home(shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the small shop in ``dataset_atomic``."""
    (tmp_path / "dataset_atomic").symlink_to(shop_data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trials(folder: Path) -> list[dict[str, Any]]:
    found = sorted(folder.glob("results/tune/*/trials/*.json"))
    return [json.loads(path.read_text()) for path in found]


def start_and_kill(
    home: Path, words: list[str], how: signal.Signals = signal.SIGKILL
) -> dict[int, dict[str, Any]]:
    """Start a search in a process of its own and kill it while a trial is half done.

    SIGINT goes to all its processes, as Ctrl-C does.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(recbole_a2d.__file__).parents[1])},
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        found = trials(home)
        half = any(r["status"] == "running" and r["history"] for r in found)
        if half and (any(r["status"] == "done" for r in found) or "--engine=ray" in words):
            break
        time.sleep(0.005)
    assert process.poll() is None, "the search must still run when it is killed"
    send = os.killpg if how == signal.SIGINT else os.kill
    send(process.pid, how)
    assert process.wait(60), "it ended as if it had not been stopped"
    return {record["number"]: record for record in trials(home)}


@pytest.fixture
def killed() -> Callable[..., dict[int, dict[str, Any]]]:
    """Start a search, kill it; see ``start_and_kill``."""
    return start_and_kill
