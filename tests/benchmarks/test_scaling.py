"""Costs are told only of points that tell them, and only of this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.scaling import Costs, Point
from recbole_a2d.errors import UserError

ITEMS, CLICKS = 43_097, 858_573


def point(items: float, clicks: float, step_per_item: float = 2e-6) -> Point:
    """A point on straight lines, so many times Diginetica."""
    many, long = int(items * ITEMS), int(clicks * CLICKS)
    return Point(
        items=many,
        clicks=long,
        rows=long,
        batch=512,
        dim=100,
        loading=1e-6 * long,
        loading_peak=10**8 + 90 * long,
        step=0.2 + step_per_item * many,
        optimizer=1e-7 * many,
        ranking=1e-9 * many,
        peak=10**9 + 6000 * many + 70 * long,
    )


def test_lines_through_the_points() -> None:
    points = [point(1, 1), point(2, 1), point(1, 2)]
    costs = Costs.of(points)
    assert costs.step_fixed == pytest.approx(0.2)
    assert costs.step_per_item == pytest.approx(2e-6)
    assert costs.bytes_per_item == pytest.approx(6000)
    assert costs.bytes_per_click == pytest.approx(70)
    told = scaling.estimate(costs, points[0], 1e8, 1e7)
    assert told.startswith("1e+08 clicks, 1e+07 items: 63 GiB, step 20.2 s (Adam 1.0 s)")


@pytest.mark.parametrize(
    "sizes",
    [
        [(1, 1)],
        [(1, 1), (2, 1)],
        [(1, 1), (2, 1), (4, 1)],
        [(1, 1), (1, 2), (1, 4)],
        [(1, 1), (2, 2.004), (4, 4.006), (8, 8.01)],
    ],
)
def test_points_that_tell_no_costs_are_refused(sizes: list[tuple[float, float]]) -> None:
    with pytest.raises(UserError, match="items and clicks must vary"):
        Costs.of([point(*size) for size in sizes])


def test_nothing_is_estimated_below_zero() -> None:
    points = [point(1, 1, -1e-7), point(2, 1, -1e-7), point(1, 2, -1e-7)]
    with pytest.raises(UserError, match="no estimate: step would be below 0"):
        scaling.estimate(Costs.of(points), points[0], 1e8, 1e7)


def test_refusals_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scaling, "measured", lambda name: asdict(point(1, 1)))
    monkeypatch.setattr("sys.argv", ["scaling", "--points=1x1", f"--out={tmp_path / 's.json'}"])
    with pytest.raises(SystemExit) as ended:
        scaling.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: no costs can be told")


def test_points_of_another_machine_are_kept_and_not_mixed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, out = ["slow"], tmp_path / "scaling.json"
    steps = {"slow": 2e-6, "fast": 1e-6}
    monkeypatch.setattr(scaling, "describe_machine", lambda: here[0])
    monkeypatch.setattr(scaling, "measured", lambda name: asdict(point(1, 1, steps[here[0]])))
    for here[0] in ("slow", "fast", "slow"):
        (found,) = scaling.all_points(["1x1"], 0, out, again=True)
        assert found == point(1, 1, steps[here[0]])
    assert set(json.loads(out.read_text())["machines"]) == {"slow", "fast"}
    monkeypatch.setattr(scaling, "measured", lambda name: pytest.fail("measured again"))
    assert scaling.all_points(["1x1"], 0, out) == [point(1, 1, steps["slow"])]


def test_the_committed_points_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(__file__).parents[2] / "results" / "scaling.json"
    (machine,) = json.loads(file.read_text())["machines"]
    monkeypatch.setattr(scaling, "describe_machine", lambda: machine)
    points = scaling.all_points(scaling.POINTS.split(","), 0, file)
    assert 0 < Costs.of(points).step_per_item < 1e-5
