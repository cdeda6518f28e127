"""Variants and presets are told from their own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_a2d.choices import purpose
from recbole_a2d.cli import main
from recbole_a2d.command_line import as_typed, typed
from recbole_a2d.config import choices
from recbole_a2d.resources import properties_folder


@pytest.mark.parametrize("kind", ["variant", "preset"])
def test_all_are_listed_with_a_purpose(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--{kind}s"]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith(f"| {kind} |")
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == choices(kind)
    for name in choices(kind):
        assert len(purpose(properties_folder() / kind / f"{name}.yaml")) > 10


def test_settings_stand_as_the_command_line_takes_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--variants"])
    (row,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| wo_graph |")]
    assert row.endswith("| `item_graph=false` |")


def test_settings_of_a_data_set_stand_behind_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--variants"])
    (row,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| chosen |")]
    assert "| `memory=both`; on diginetica `category_scores=joined` `time_order=0.75`" in row
    assert "; on tmall `category_scores=joined` `memory_learns=first_epoch`" in row


@pytest.mark.parametrize("value", [True, False, 3, 1e-05, 0.25, [0.1, 2], "with_last", None])
def test_what_is_told_can_be_typed(value: object) -> None:
    assert typed("key", as_typed(value)) == value


def test_purpose_is_the_comment_at_the_top(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("# Two lines\n# of comment.\nkey: 1  # not this\n# nor this\n")
    assert purpose(path) == "Two lines of comment."
    path.write_text("key: 1\n")
    assert purpose(path) == ""
