"""``run``: train and test one model on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_a2d.command_line import split_pairs, typed
from recbole_a2d.errors import UserError

FLAGS = frozenset({"help", "models", "variants", "presets", "fresh"})

HELP = """usage: run_recbole_a2d.py [run] --dataset NAME [OPTIONS]

  --dataset NAME       folder in dataset_atomic/ (made by 'convert'); 'shop' comes with the package
  --model NAME         default A2DMTL; --models lists all; recbole.NAME is RecBole's own class
  --variant NAME       of A2D-MTL: full (default) or one that --variants lists
  --preset NAME        {presets}; --presets tells what each sets
  --config FILE        a yaml of settings; may be repeated, later files win
  --KEY=VALUE          any key of properties/overall.yaml or properties/model/MODEL.yaml
  --fresh              start over where an earlier run with the same settings left something
  --models, --variants, --presets
                       list them and stop

The result is a record in results/records/ and the rank of each test row's target in
results/ranks/. A run that was cut off goes on when the same command is given again."""


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``."""
    given = split_pairs(arguments, FLAGS)
    keys = {key for key, _ in given}
    if "help" in keys:
        print(_help())
    elif "models" in keys:
        from recbole_a2d.registry import models_table

        print(models_table())
    elif keys & {"variants", "presets"}:
        from recbole_a2d.choices import choices_table

        print(choices_table("variant" if "variants" in keys else "preset"))
    else:
        _run(given)


def _run(given: list[tuple[str, str]]) -> None:
    from recbole_a2d.config import build_config
    from recbole_a2d.distributed import is_first
    from recbole_a2d.experiment import run_experiment

    model, dataset, fresh = "A2DMTL", "", False
    files: list[Path] = []
    overrides: dict[str, Any] = {}
    for key, value in given:
        if key == "model":
            model = value
        elif key == "dataset":
            dataset = value
        elif key == "config":
            files.append(Path(value))
        elif key == "fresh":
            fresh = True
        else:
            overrides[key] = typed(key, value)
    if not dataset:
        raise UserError("--dataset is missing; 'shop' comes with the package")
    config = build_config(model, dataset, config_files=files, overrides=overrides)
    record = run_experiment(config, model, fresh=fresh)
    if is_first():
        print(summary(record))


def summary(record: Any) -> str:
    """The figures of a record, as the papers print them."""
    figures = record.test
    cutoffs = sorted({int(name.split("@")[1]) for name in figures})
    name = record.model if record.variant == "full" else f"{record.model} {record.variant}"
    lines = [
        f"{name} on {record.dataset} ({record.protocol}, preset {record.preset}, "
        f"seed {record.seed}, {record.epochs} epochs, {record.seconds:.0f} s)",
        "            " + "".join(f"{'@' + str(k):>9}" for k in cutoffs),
    ]
    for metric, label in (("hit", "Hit (P)"), ("mrr", "MRR"), ("ndcg", "NDCG")):
        row = "".join(f"{100 * figures[f'{metric}@{k}']:9.2f}" for k in cutoffs)
        lines.append(f"  {label:<10}{row}")
    return "\n".join(lines)


def _help() -> str:
    from recbole_a2d.config import choices

    return HELP.format(presets=", ".join(choices("preset")))
