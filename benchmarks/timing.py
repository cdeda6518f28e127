"""Figures from one run: the things to compare take turns, so that the machine treats them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace


@dataclass
class Figure:
    """One line of the table.

    Attributes:
        name: what is compared.
        value: the ratio, or the amount.
        goal: what it should be, as text; empty where there is none.
        good: whether it is; true where there is no goal.
        medians: what the ratio was made of, in seconds unless said otherwise.
    """

    name: str
    value: float
    goal: str
    good: bool
    medians: dict[str, float]

    @property
    def mark(self) -> str:
        """Whether the goal is reached, as the table says it."""
        return ("yes" if self.good else "NO") if self.goal else ""

    def as_dict(self) -> dict[str, object]:
        """For the JSON file."""
        return asdict(self)


def seconds_in_turn(
    work: Mapping[str, Callable[[], object]],
    repeats: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each piece of work in every round, one piece after another, round by round."""
    for job in work.values():
        for _ in range(warm_up):
            job()
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, job in work.items():
            started = clock()
            job()
            seconds[name].append(clock() - started)
    return seconds


def medians_in_turn(
    work: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 2
) -> dict[str, float]:
    """Median seconds of each piece of work, see :func:`seconds_in_turn`."""
    seconds = seconds_in_turn(work, repeats, warm_up)
    return {name: statistics.median(values) for name, values in seconds.items()}


def at_most(name: str, above: str, below: str, limit: float, medians: dict[str, float]) -> Figure:
    """The ratio of two medians, good where it is no more than a limit."""
    found = ratio(name, above, below, medians)
    return replace(found, goal=f"<= {limit:g}", good=found.value <= limit)


def at_least(name: str, above: str, below: str, limit: float, medians: dict[str, float]) -> Figure:
    """The ratio of two medians, good where it is no less than a limit."""
    found = ratio(name, above, below, medians)
    return replace(found, goal=f">= {limit:g}", good=found.value >= limit)


def ratio(name: str, above: str, below: str, medians: dict[str, float]) -> Figure:
    """The ratio of two medians, without a goal."""
    pair = {key: medians[key] for key in (above, below)}
    return Figure(name, medians[above] / medians[below], "", True, pair)
