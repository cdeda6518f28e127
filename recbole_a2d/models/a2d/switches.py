"""A2D-MTL's readings: the words its keys take, and which of them do not go together."""

from __future__ import annotations

from typing import Any

from recbole_a2d.errors import UserError, WrongValue

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
    "softmax_over": ("all", "new"),
    "memory": ("none", "rules", "votes", "both"),
    "memory_rules": ("last", "last_two"),
    "memory_learns": ("always", "first_epoch"),
    "session_bank": ("train", "none", "batch_masked", "batch_leaky"),
    "score": ("cosine", "dot"),
    "score_table": ("initial", "graph"),
    "loss": ("ce", "bce_softmax"),
}
"""Keys of the model that take one of a few words."""
NO_GRAPH = ("none", "merged")
IDLE = (
    ("category_scores", "none", ("sum", "prior", "joined"), "categories", NO_GRAPH),
    ("attention_values", "item", ("item_category",), "categories", NO_GRAPH),
    ("attention_values", "item", ("item_category", "initial_item"), "intra", ("mean",)),
    ("memory_rules", "last", ("last_two",), "memory", ("none", "votes")),
    ("memory_learns", "always", ("first_epoch",), "memory", ("none",)),
    ("softmax_over", "all", ("new",), "mix_own_items", (False,)),
)
"""A key, its plain word, words that change nothing where another key has one of some words."""


def check_switches(config: Any) -> None:
    """Refuse words that a switch does not know and switches that exclude each other.

    Raises:
        UserError: names the key and what to change.
    """
    for key, words in SWITCHES.items():
        if config[key] not in words:
            raise WrongValue.none_of(key, config[key], words)
    off = {"mix_own_items": "false", "mix_category": "false", "mix_votes": "false"}
    mixed = [f"--{key}={word}" for key, word in off.items() if config[key]]
    mixed += ["--memory=none"] if config["memory"] != "none" else []
    if config["loss"] == "bce_softmax" and mixed:
        raise UserError(f"loss bce_softmax knows one softmax only: add {' '.join(mixed)}")
    if config["train_candidates"]:
        _check_sampling(config)
    _check_idle(config)
    _check_own_edges(config)


def _check_idle(config: Any) -> None:
    """Refuse a switch that another one leaves without anything to do."""
    for key, plain, words, other, without in IDLE:
        if config[key] in words and config[other] in without:
            raise UserError(
                f"{key} '{config[key]}' does nothing with {other} '{config[other]}': "
                f"add --{key}={plain}, or change {other}"
            )


def _check_own_edges(config: Any) -> None:
    """Candidates are seen through the whole graph: none may lead back to a row's last click."""
    back = config["graph_direction"] != "out"
    through = config["item_graph"] and config["score_table"] == "graph"
    if config["graph_exclude_self"] and back and through:
        raise UserError(
            f"score_table 'graph' with graph_direction '{config['graph_direction']}' shows a "
            "training row its last click beside its target: add --score_table=initial, "
            "--graph_direction=out or --graph_exclude_self=false"
        )


def _check_sampling(config: Any) -> None:
    """Sampled items are looked up one by one: nothing may be computed of the table as a whole."""
    needed = {
        "score_table": "initial",
        "loss": "ce",
        "category_scores": "none",
        "softmax_over": "all",
        "memory": "none",
        "trend_slices": 0,
        "learner": "adam",
    }
    wrong = [key for key, value in needed.items() if config[key] != value]
    if config["categories"] == "merged":
        raise UserError("train_candidates does not work with categories 'merged'; drop either")
    if config["clip_grad_norm"]:
        raise UserError("train_candidates does not work with clip_grad_norm; drop either")
    if wrong:
        change = " ".join(f"--{key}={needed[key]}" for key in wrong)
        raise UserError(
            f"train_candidates looks single items of the initial table up: add {change}"
        )
