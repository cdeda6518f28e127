"""A2D-MTL over lambda of Eq. 25: what Figure 3 of the paper shows."""

from __future__ import annotations

from recbole_a2d.benchmark.entries import Entry, same_seeds
from recbole_a2d.benchmark.groups import Group

KEY = "category_weight"


def weight_of(entry: Entry) -> float:
    """Lambda of Eq. 25."""
    return float(entry.records[0].config[KEY])


def swept(group: Group) -> list[Entry]:
    """Entries that differ in lambda alone, by lambda; empty where it was not varied."""
    entries = [e for e in group.varied({KEY}) if KEY in e.records[0].config]
    return sorted(same_seeds(entries), key=weight_of) if len(entries) > 1 else []
