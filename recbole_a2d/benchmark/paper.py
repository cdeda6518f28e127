"""The paper's own figures: facts to stand beside ours, never mixed with them."""

from __future__ import annotations

from functools import cache
from typing import Any

from recbole_a2d.resources import properties_folder
from recbole_a2d.yaml_files import read_yaml

Printed = dict[str, dict[str, list[float]]]
"""``{row: {data set: [P@20, MRR@20]}}``, in per cent."""

PLACE = {"hit@20": 0, "mrr@20": 1}
"""Where a metric stands in a list of the paper's figures."""


@cache
def paper_table(name: str) -> Printed:
    """``table2`` (rows are registry names) or ``table3`` (rows are variants)."""
    printed: Printed = _read(name)
    return printed


def paper_figure(table: str, row: str, dataset: str, metric: str) -> float | None:
    """One printed figure in per cent; None where the paper has none."""
    figures = paper_table(table).get(row, {}).get(dataset)
    return None if figures is None or metric not in PLACE else figures[PLACE[metric]]


def category_weights() -> list[float]:
    """The values of lambda that Figure 3 tries."""
    weights: list[float] = _read("figure3")["category_weight"]
    return weights


def _read(name: str) -> dict[str, Any]:
    return read_yaml(properties_folder() / "paper" / f"{name}.yaml")
