"""Bars of the conversion: rows read, on a terminal, and silence elsewhere."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from recbole_a2d.convert import main
from recbole_a2d.data import progress, raw_blocks, raw_parquet
from recbole_a2d.data.raw_files import READ_BYTES

ROWS = 300


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A conversion of a log in several blocks, whose bar appears at once."""
    rows = [f"{n // 3},{n},{n % 5}\n" for n in range(ROWS)]
    (tmp_path / "log.csv").write_text("s,t,i\n" + "".join(rows))
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(progress, "INTERVAL", 0)
    assert raw_blocks.read_blocks.__defaults__ == (True, READ_BYTES)
    monkeypatch.setattr(raw_blocks.read_blocks, "__defaults__", (True, 500))
    columns = ["--session", "s", "--time", "t", "--item", "i"]
    return ["csv", *columns, "--out", str(tmp_path / "toy")]


def convert_to_parquet(path: Path) -> Path:
    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv(path), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def test_rows_are_counted_on_a_terminal(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_parquet, "BATCH_ROWS", 50)
    paths = [tmp_path / "log.csv", convert_to_parquet(tmp_path / "log.csv")]
    for path in paths:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        main([*words, "--raw", str(path)])
        counts = [int(n) for n in re.findall(rf"{path.name}: (\d+).*? rows", terminal.getvalue())]
        assert len(counts) > 3
        assert counts == sorted(counts)
        assert ROWS - 60 < counts[-1] <= ROWS  # the last few rows are not worth a picture


def test_no_bar_in_a_file(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stderr", plain)
    main([*words, "--raw", str(tmp_path / "log.csv")])
    assert plain.getvalue() == "warning: 5 of 5 items have no category\n"
