"""Threads do not turn in circles for milliseconds, unless the user wants it so."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_a2d.waiting import TURNS, limit_spinning

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("told", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}], ids=str)
def test_what_the_user_says_stays(told: dict[str, str]) -> None:
    environment = dict(told)
    limit_spinning(environment)
    assert environment == told


@pytest.mark.skipif(platform.system() != "Linux", reason="torch uses GNU's OpenMP on Linux")
@pytest.mark.parametrize(("told", "turns"), [({}, TURNS), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_the_library_has_heard_of_it(told: dict[str, str], turns: str) -> None:
    """It prints what it goes by when it is loaded, which must be after the limit is set."""
    unset = {k: v for k, v in os.environ.items() if k not in {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}}
    done = subprocess.run(
        [sys.executable, "run_recbole_a2d.py", "table", "--help"],
        env=unset | told | {"OMP_DISPLAY_ENV": "verbose"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{turns}'" in done.stderr
