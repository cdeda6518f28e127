"""Records put in order: which rows may be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recbole_a2d.benchmark.entries import Entry, Setting, changed_settings, commits_of
from recbole_a2d.benchmark.suites import ABLATIONS, OURS
from recbole_a2d.records import Record


@dataclass(frozen=True)
class Scale:
    """How large the runs of a table are.

    Attributes:
        preset: sizes and schedule.
        train_fraction: share of the training sessions.
    """

    preset: str
    train_fraction: float = 1.0

    @property
    def title(self) -> str:
        """Preset and, if it is not all, the share."""
        if self.whole:
            return f"preset {self.preset}"
        return f"preset {self.preset}, {100 * self.train_fraction:g}% of the training sessions"

    @property
    def whole(self) -> bool:
        """Whether its runs see all training sessions."""
        return self.train_fraction == 1.0


@dataclass(frozen=True)
class Group:
    """Entries that may be compared: same data, protocol, preset and share of the training data.

    Methods without training know no preset: they stand in the group of every preset.
    """

    dataset: str
    fingerprint: str
    protocol: str
    preset: str
    train_fraction: float
    entries: tuple[Entry, ...]

    @property
    def first(self) -> Record:
        """A record, for what all of them share."""
        return self.entries[0].records[0]

    @property
    def clean(self) -> bool:
        """Whether it follows the protocol of results: nothing selected on test."""
        return self.protocol == "clean"

    @property
    def scale(self) -> Scale:
        """What its runs have cost: preset and share of the training sessions."""
        return Scale(self.preset, self.train_fraction)

    @property
    def commits(self) -> str:
        """Commits of the source that made its records."""
        return commits_of(self.entries)

    def find(self, model: str, variant: str = "full") -> Entry | None:
        """The entry of a model as its yaml files have it, whatever variant it was asked for as."""
        of_model = [entry for entry in self.results if entry.model == model]
        of_model.sort(key=lambda entry: entry.variant != variant)
        return next((entry for entry in of_model if entry.is_variant(variant)), None)

    def varied(self, keys: Iterable[str]) -> list[Entry]:
        """Entries of A2D-MTL that differ from it in these keys alone; the default among them."""
        allowed = set(keys)
        return [
            entry
            for entry in self.entries
            if entry.model == OURS
            and entry.variant == "full"
            and {key for key, _ in entry.changed} <= allowed
        ]

    @property
    def results(self) -> list[Entry]:
        """Entries without those of the leak audit and of Figure 3, best MRR@20 first."""
        kept = [entry for entry in self.entries if entry.is_result]
        return sorted(kept, key=lambda entry: -entry.mean("mrr@20"))

    @property
    def models(self) -> list[Entry]:
        """The results without the ablations of A2D-MTL."""
        return [entry for entry in self.results if entry.variant not in ABLATIONS[1:]]

    @property
    def ablations(self) -> list[Entry]:
        """A2D-MTL with a part left out, and the whole; empty without the former."""
        chosen = [e for e in self.results if e.model == OURS and e.variant in ABLATIONS]
        return chosen if any(entry.variant != "full" for entry in chosen) else []


def comparable(records: Iterable[Record]) -> list[Group]:
    """Sort records into groups of entries, by data set: runs on all of it first, then on shares."""
    trained: dict[tuple[str, str, str, float], dict[str, list[Record]]] = {}
    counted: dict[tuple[str, str, str, float], list[Record]] = {}
    for record in records:
        fraction = float(record.config.get("train_fraction", 1.0))
        base = (record.dataset, record.data_fingerprint, record.protocol, fraction)
        if record.epochs > 0:
            trained.setdefault(base, {}).setdefault(record.preset, []).append(record)
        else:
            counted.setdefault(base, []).append(record)
    groups = []
    for base in sorted(trained.keys() | counted.keys(), key=lambda base: (*base[:3], -base[3])):
        everywhere = counted.get(base, [])
        presets = trained.get(base) or {everywhere[0].preset: []}
        for preset in sorted(presets):
            dataset, fingerprint, protocol, fraction = base
            entries = _entries([*presets[preset], *everywhere])
            groups.append(Group(dataset, fingerprint, protocol, preset, fraction, entries))
    return groups


def _entries(records: Iterable[Record]) -> tuple[Entry, ...]:
    found: list[tuple[tuple[str, str, tuple[Setting, ...]], dict[int, Record]]] = []
    for record in records:
        what = (record.model, record.variant, changed_settings(record))
        seeds = next((seeds for known, seeds in found if known == what), None)
        if seeds is None:
            found.append((what, seeds := {}))
        # Of two that differ only in keys that one does not know, the newer code knows more.
        if record.seed not in seeds or len(record.config) > len(seeds[record.seed].config):
            seeds[record.seed] = record
    return tuple(
        Entry(*what, tuple(seeds[seed] for seed in sorted(seeds))) for what, seeds in found
    )
