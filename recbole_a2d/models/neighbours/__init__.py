"""Baselines without trained parameters: counts, rules and votes of similar sessions."""

from recbole_a2d.models.neighbours.recommenders import (
    SKNN,
    SR,
    STAN,
    VSKNN,
    VSTAN,
    ItemKNN,
    Pop,
    SPop,
)

__all__ = ["SKNN", "SR", "STAN", "VSKNN", "VSTAN", "ItemKNN", "Pop", "SPop"]
