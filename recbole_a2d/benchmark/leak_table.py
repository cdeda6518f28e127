"""The leak audit as a table: the same trained model, its test rows ranked in several orders."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recbole_a2d.benchmark.entries import LEAK_KEYS, METRICS, Entry, entry_title, same_seeds
from recbole_a2d.benchmark.groups import Group
from recbole_a2d.benchmark.layout import NOTHING, Table, Value
from recbole_a2d.benchmark.suites import ORDERS, OURS
from recbole_a2d.command_line import as_typed
from recbole_a2d.errors import UserError, reason

LENGTH = "length"
"""The order that results are made in: rows of like length together."""
Shares = Mapping[int, dict[str, Any]]
"""By R, how many sessions are near: how often an answer stands in one."""


@dataclass(frozen=True)
class Setting:
    """One line of the audit.

    Attributes:
        name: what was changed.
        bank: its session bank.
        neighbors: how many sessions of the bank a row sees; 0: a record that does not say.
        entries: by the order that its test rows were ranked in.
    """

    name: str
    bank: str
    neighbors: int
    entries: dict[str, Entry]


@dataclass(frozen=True)
class Audit:
    """Lines that differ in what is audited alone.

    Attributes:
        model: A2D-MTL, its variant and the further settings that all lines have.
        settings: the default first, then each change.
    """

    model: str
    settings: list[Setting]

    @property
    def title(self) -> str:
        """What the table is called; the plain model goes without saying."""
        plain = self.model == entry_title(OURS, "full")
        return "Leak audit" if plain else f"Leak audit of {self.model}"


def audits(group: Group) -> list[Audit]:
    """The audits of a group, the plain model's first: every one with a line that is no result."""
    found: dict[str, list[Entry]] = {}
    for entry in group.entries:
        if entry.model == OURS:
            kept = tuple(pair for pair in entry.changed if pair[0] not in LEAK_KEYS)
            found.setdefault(replace(entry, changed=kept).label, []).append(entry)
    return [
        Audit(model, _settings(entries))
        for model, entries in sorted(found.items())
        if any(_of_audit_alone(entry) for entry in entries)
    ]


def _of_audit_alone(entry: Entry) -> bool:
    return not entry.is_result and bool(LEAK_KEYS & {key for key, _ in entry.changed})


def _settings(entries: list[Entry]) -> list[Setting]:
    settings: dict[str, Setting] = {}
    for entry in same_seeds(entries):
        told = {key: value for key, value in entry.changed if key in LEAK_KEYS}
        order = str(told.pop("evaluation_order", LENGTH))
        name = ", ".join(f"{k}: {as_typed(v)}" for k, v in sorted(told.items())) or "as in results"
        config = entry.records[0].config
        bank, neighbors = str(config.get("session_bank", "none")), config.get("bank_neighbors", 0)
        setting = settings.setdefault(name, Setting(name, bank, int(neighbors), {}))
        setting.entries[order] = entry
    return [s for _, s in sorted(settings.items(), key=lambda pair: _place(pair[1]))]


def _place(setting: Setting) -> tuple[int, int]:
    banks = ("none", "train", "batch_masked", "batch_leaky")
    place = banks.index(setting.bank) if setting.bank in banks else len(banks)
    return place, int(setting.name != "as in results")


def leak_table(settings: Sequence[Setting], shares: Shares, title: str = "") -> Table:
    """P@20 and MRR@20 of every setting in every order, and how often an answer stood near.

    Args:
        settings: of an :class:`Audit`.
        shares: of :func:`read_label_shares`.
        title: above the table.
    """
    heads = ["setting"]
    heads += [f"{label}, {order} order" for _, label in METRICS for order in (*ORDERS, LENGTH)]
    heads += ["answer near, file order", "answer near, shuffled"]
    rows = []
    for setting in settings:
        first = next(iter(setting.entries.values()))
        row = [Value(setting.name, first.runs[0])]
        for metric, _ in METRICS:
            for order in (*ORDERS, LENGTH):
                row.append(_figure(setting.entries.get(order), metric))
        for share in shares_of(shares, setting):
            row.append(Value(NOTHING if math.isnan(share) else f"{100 * share:.1f}"))
        rows.append(row)
    return Table(title, heads, rows, _note(settings, shares))


def _note(settings: Sequence[Setting], shares: Shares) -> list[str]:
    used = sorted({setting.neighbors for setting in settings} & shares.keys())
    if not used:
        return []
    return [
        f"Answer near: random vectors, {' or '.join(map(str, used))} nearest, batches of "
        f"{shares[used[0]]['batch']}; for the bank of training sessions the order does not matter."
    ]


def _figure(entry: Entry | None, metric: str) -> Value:
    if entry is None:
        return Value(NOTHING, muted=True)
    return Value(f"{100 * entry.mean(metric):.2f}", entry.runs[0])


def shares_path(folder: Path, dataset: str, fingerprint: str, neighbors: int) -> Path:
    """Where the shares for one R are or will be, below a results folder."""
    return folder / "leak" / f"{dataset}-{fingerprint}-r{neighbors}.json"


def read_label_shares(folder: Path, dataset: str, fingerprint: str) -> Shares:
    """What :func:`write_label_shares` kept, for every R that was measured.

    Raises:
        UserError: a file is damaged.
    """
    found = (_read_shares(path) for path in _share_files(folder / "leak", dataset, fingerprint))
    return {content["neighbors"]: content for content in found}


def _share_files(folder: Path, dataset: str, fingerprint: str) -> Iterator[Path]:
    before = folder / f"{dataset}-{fingerprint}.json"  # when there was one file whatever the R
    if before.exists():
        yield before
    if folder.is_dir():
        start = f"{dataset}-{fingerprint}-r"
        yield from sorted(path for path in folder.glob("*.json") if path.name.startswith(start))


def _read_shares(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _check_shares(content)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        told = f"{path}: not a leak audit ({reason(error)}); delete it and run again"
        raise UserError(told) from error
    return content


def _check_shares(content: dict[str, Any]) -> None:
    for key in ("neighbors", "batch"):
        if type(content[key]) is not int:
            raise ValueError(f"{key} is {content[key]!r}")
    content["shares"]["batch_leaky"]["file"]
    for orders in content["shares"].values():
        for share in orders.values():
            if not 0 <= share <= 1:
                raise ValueError(f"a share is {share!r}")


def shares_of(shares: Shares, setting: Setting) -> list[float]:
    """Shares for a setting's bank and R in the audit's two orders, NaN where not measured."""
    content = shares.get(setting.neighbors)
    held = {} if content is None else content["shares"].get(setting.bank, {})
    return [held.get(order, held.get("any", float("nan"))) for order in ORDERS]
