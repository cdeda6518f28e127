"""A2D-MTL's readings: the words its keys take, and which of them do not go together."""

from __future__ import annotations

from typing import Any

from recbole_a2d.errors import UserError

SWITCHES = {
    "graph_direction": ("out", "in", "both"),
    "categories": ("graph", "merged", "none"),
    "category_scores": ("none", "sum", "prior", "joined"),
    "gate": ("scalar", "vector"),
    "intra": ("sparse", "mean"),
    "sparsity": ("adaptive", "fixed"),
    "attention_residual": ("paper", "input"),
    "attention_values": ("item", "item_category", "initial_item"),
    "readout": ("paper", "with_last"),
    "memory": ("none", "rules", "votes", "both"),
    "memory_learns": ("always", "first_epoch"),
    "session_bank": ("train", "none", "batch_masked", "batch_leaky"),
    "score": ("cosine", "dot"),
    "score_table": ("initial", "graph"),
    "loss": ("ce", "bce_softmax"),
}
"""Keys of the model that take one of a few words."""


def check_switches(config: Any) -> None:
    """Refuse words that a switch does not know and switches that exclude each other.

    Raises:
        UserError: names the key and what to change.
    """
    for key, words in SWITCHES.items():
        if config[key] not in words:
            raise UserError(f"{key} is '{config[key]}'; it must be one of: {', '.join(words)}")
    off = {"mix_own_items": "false", "mix_category": "false", "mix_votes": "false"}
    mixed = [f"--{key}={word}" for key, word in off.items() if config[key]]
    mixed += ["--memory=none"] if config["memory"] != "none" else []
    if config["loss"] == "bce_softmax" and mixed:
        raise UserError(f"loss bce_softmax knows one softmax only: add {' '.join(mixed)}")
    if config["train_candidates"]:
        _check_sampling(config)


def _check_sampling(config: Any) -> None:
    """Sampled items are looked up one by one: nothing may be computed of the table as a whole."""
    needed = {
        "score_table": "initial",
        "loss": "ce",
        "category_scores": "none",
        "memory": "none",
    }
    wrong = [key for key, value in needed.items() if config[key] != value]
    if config["categories"] == "merged":
        raise UserError("train_candidates does not work with categories 'merged'; drop either")
    if wrong:
        change = " ".join(f"--{key}={needed[key]}" for key in wrong)
        raise UserError(f"train_candidates samples the initial item table: add {change}")
