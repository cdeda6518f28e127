"""Rows of tables: records of one model with one choice of settings, under one or more seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import Any

from recbole_a2d.command_line import as_typed
from recbole_a2d.errors import UserError
from recbole_a2d.records import Record
from recbole_a2d.registry import title
from recbole_a2d.run_names import own_keys, stands_for, value_before, yaml_settings

TOLD_ELSEWHERE = frozenset(
    {"seed", "preset", "variant", "protocol", "train_fraction", "metrics", "topk", "worker"}
    | {"eval_batch_size", "load_col", "eval_args", "train_neg_sample_args"}
)
"""Settings that have a place of their own in tables, or change no figure."""

METRICS = (("hit@20", "P@20"), ("mrr@20", "MRR@20"))
"""What models are compared by, and the names that tables print."""

LEAK_KEYS = frozenset({"session_bank", "graph_exclude_self", "evaluation_order"})
"""Settings that the leak audit varies."""

VARIANT_TITLES = {
    "wo_cate": "w/o CATE",
    "wo_exp": "w/o EXP",
    "wo_spa": "w/o SPA",
    "wo_adaspa": "w/o AdaSPA",
    "wo_inter": "w/o INTER",
    "wo_graph": "w/o GRAPH",
    "as_printed": "as printed",
    "with_votes": "with votes",
    "with_rules": "with rules",
    "with_memory": "with memory",
    "with_last": "with last click",
    "with_memory_and_last": "with memory and last click",
    "with_categories": "with categories scored",
    "with_memory_and_categories": "with memory and categories scored",
    "with_memory_categories_and_last": "with memory, categories scored and last click",
    "with_inter": "with INTER",
    "faithful": "faithful",
    "chosen": "with chosen options",
}

Setting = tuple[str, Any]


@dataclass(frozen=True)
class Entry:
    """One row of a table: a model with its settings, under one or more seeds.

    Attributes:
        model, variant: as in the records.
        changed: settings that differ from what today's yaml files say, by key.
        records: one a seed, by seed.
    """

    model: str
    variant: str
    changed: tuple[Setting, ...]
    records: tuple[Record, ...]

    @property
    def label(self) -> str:
        """What tables and plots call it."""
        return " ".join(
            [
                entry_title(self.model, self.variant),
                *(f"{key}={as_typed(value)}" for key, value in self.changed),
            ]
        )

    @property
    def identity(self) -> tuple[str, str, tuple[Setting, ...]]:
        """What it is a result of, whatever seeds it has."""
        return self.model, self.variant, self.changed

    def is_variant(self, variant: str) -> bool:
        """Whether its settings are those that today's yaml files give the model's variant."""
        if variant == self.variant:
            return not self.changed
        return all(_is_variant(record, variant) for record in self.records)

    @property
    def key(self) -> str:
        """A name that no other entry of the group has."""
        return "+".join(record.run for record in self.records)

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of its runs."""
        return tuple(record.run for record in self.records)

    @property
    def trained(self) -> bool:
        """Whether it is more than counts."""
        return any(record.epochs > 0 for record in self.records)

    @property
    def leaks(self) -> bool:
        """Whether its figures are made with an answer in sight, and so are no results."""
        return any(r.config.get("session_bank") == "batch_leaky" for r in self.records)

    @property
    def is_result(self) -> bool:
        """Whether it may stand among results; else it is of the leak audit or of Figure 3 alone.

        What leaks, and what differs in a setting of the audit, is no result whatever else was
        changed.
        """
        varied = {key for key, _ in self.changed}
        if self.leaks or varied & LEAK_KEYS:
            return False
        return self.variant != "full" or varied != {"category_weight"}

    def mean(self, metric: str) -> float:
        """Mean over the seeds, as a fraction."""
        return mean(record.test[metric] for record in self.records)

    def deviation(self, metric: str) -> float | None:
        """Standard deviation over the seeds; None with one."""
        values = [record.test[metric] for record in self.records]
        return stdev(values) if len(values) > 1 else None

    @property
    def seconds(self) -> float:
        """Mean time of a run."""
        return mean(record.seconds for record in self.records)


def entry_title(model: str, variant: str) -> str:
    """A model and its variant, as tables print them."""
    name = title(model)
    return name if variant == "full" else f"{name} {VARIANT_TITLES.get(variant, variant)}"


def same_seeds(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the seeds alone that all of them have, so that they compare.

    Without a common seed they stay as they are.
    """
    common = set.intersection(*({r.seed for r in entry.records} for entry in entries))
    if not common:
        return list(entries)
    return [
        replace(entry, records=tuple(r for r in entry.records if r.seed in common))
        for entry in entries
    ]


def commits_of(entries: Iterable[Entry]) -> str:
    """Commits of the source that made some entries' records, all of their epochs included."""
    made = {commit for entry in entries for record in entry.records for commit in record.commits}
    return ", ".join(sorted(made))


def changed_settings(record: Record) -> tuple[Setting, ...]:
    """Settings of a record that differ from what today's yaml files give its model.

    Values are compared as :func:`recbole_a2d.run_names.stands_for` compares them, 7 like 7.0: what
    a grid takes for finished is not missing from a table.

    A key of the model's own file that the record does not know did not exist when it was
    made: it is told by what the model did then, else as ``absent``.
    """
    defaults, own = _defaults(record)
    relevant = defaults.keys() - TOLD_ELSEWHERE
    if record.epochs == 0:
        relevant &= own | {"MAX_ITEM_LIST_LENGTH"}
    asked = record.config
    changed = {key: asked[key] for key in relevant & asked.keys() if asked[key] != defaults[key]}
    for key in (relevant & own) - asked.keys():
        value = value_before(record.config, key)
        if value != defaults[key]:
            changed[key] = value
    if defaults:  # what no yaml file has: the order of ranking, processes, settings of RecBole's
        changed |= {key: asked[key] for key in asked.keys() - defaults.keys() - TOLD_ELSEWHERE}
    return tuple(sorted(changed.items()))


def _is_variant(record: Record, variant: str) -> bool:
    try:
        asked = yaml_settings(record.model, record.dataset, record.preset, variant)
    except UserError:  # a model that has no variants, a preset that is no more
        return False
    told = {key: record.config[key] for key in TOLD_ELSEWHERE & record.config.keys()}
    return stands_for(record, asked | told)


def _defaults(record: Record) -> tuple[dict[str, Any], frozenset[str]]:
    what = (record.model, record.dataset, record.preset, record.variant)
    try:
        return yaml_settings(*what), own_keys(record.model)
    except UserError:  # a model, preset or variant that is no more: its record stands as it is
        return {}, frozenset()
