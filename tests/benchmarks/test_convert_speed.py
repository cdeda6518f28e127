"""A side that fails says why."""

from __future__ import annotations

import pytest

from benchmarks.convert_speed import measure


def test_what_went_wrong_in_the_child_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise ValueError("a bad row")

    with pytest.raises(SystemExit, match="see above"):
        measure(work)
    assert "ValueError: a bad row" in capfd.readouterr().err


def test_the_cost_of_work_that_goes_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert measure(lambda: print("not shown")).memory > 0
    assert capfd.readouterr() == ("", "")
