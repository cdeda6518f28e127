"""A2D-MTL's parts, each built from the configuration and the training split; None where off."""

from __future__ import annotations

from logging import getLogger
from typing import Any

import torch
from torch import Tensor

from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.graphs import (
    TransitionCounts,
    category_sessions,
    count_transitions,
    strongest_neighbors,
)
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.layers.answer_mixture import AnswerMixture, CategoryPopularity
from recbole_a2d.layers.category_encoder import CategoryEncoder
from recbole_a2d.layers.item_encoder import ItemGraphEncoder
from recbole_a2d.layers.item_trends import ItemTrends
from recbole_a2d.layers.sampled_softmax import CandidateSampler
from recbole_a2d.layers.session_bank import BatchBank, TrainingSessionBank
from recbole_a2d.layers.sparse_attention import SessionReader
from recbole_a2d.models.a2d.answers import Answers
from recbole_a2d.models.a2d.memory import Memory
from recbole_a2d.models.full_ranking import whole_number
from recbole_a2d.models.neighbours.evidence import Evidence
from recbole_a2d.models.neighbours.session_rules import SessionPairRules, SessionRules
from recbole_a2d.models.neighbours.votes import SessionVotes


def category_encoder(config: Any, dataset: SessionDataset) -> CategoryEncoder | None:
    """Category graph, dynamic states and the auxiliary task (Eq. 3-7, 23)."""
    if config["categories"] != "graph":
        return None
    sessions = category_sessions(dataset.train, dataset.category_of_item)
    return CategoryEncoder(
        config["embedding_size"],
        _transitions(config, sessions, dataset.n_categories),
        layers=config["category_layers"],
        gate=config["gate"],
        max_length=dataset.max_length,
        dropout=config["embedding_dropout"],
        score_size=config["graph_score_size"],
    )


def item_graph_encoder(config: Any, dataset: SessionDataset) -> ItemGraphEncoder | None:
    """Item graph of the training sessions (Eq. 8-9)."""
    if not config["item_graph"]:
        return None
    edges = _transitions(config, dataset.train, dataset.n_items)
    return ItemGraphEncoder(
        config["embedding_size"],
        strongest_neighbors(edges, min(config["item_neighbors"], dataset.n_items) + 1),
        residual=config["item_residual"],
        score_size=config["graph_score_size"],
    )


def session_reader(config: Any, dataset: SessionDataset) -> SessionReader | None:
    """Adaptive sparse attention over the clicks (Eq. 10-15)."""
    if config["intra"] == "mean":
        return None
    return SessionReader(
        config["embedding_size"],
        categories=config["categories"] == "graph",
        adaptive=config["sparsity"] == "adaptive",
        position_count=dataset.max_length + 1 if config["item_position"] else 0,
        dropout=config["dropout"],
        keep_input=config["attention_residual"] == "input",
    )


def session_bank(config: Any, dataset: SessionDataset) -> TrainingSessionBank | BatchBank | None:
    """Neighbouring sessions (Eq. 16-19), of the training split or of the batch."""
    mode, neighbors = config["session_bank"], config["bank_neighbors"]
    if mode == "none":
        return None
    if mode == "train":
        items = torch.from_numpy(dataset.train.items)
        offsets = torch.from_numpy(dataset.train.offsets)
        return TrainingSessionBank(items, offsets, config["embedding_size"], neighbors)
    if mode == "batch_leaky":
        getLogger("recbole_a2d").warning(
            "session_bank=batch_leaky shows test rows their own answers; it exists for "
            "the leak audit and its figures are not results"
        )
    return BatchBank(neighbors, mask_own_session=mode == "batch_masked")


def answers(config: Any, dataset: SessionDataset) -> Answers | None:
    """What stands beside the softmax over all items."""
    categories = config["categories"] == "graph"
    popularity = votes = None
    if config["mix_category"] and categories:
        counts, of_item = _item_counts(dataset), torch.from_numpy(dataset.category_of_item)
        popularity = CategoryPopularity(counts, of_item.clone())
    if config["mix_votes"]:
        votes = SessionVotes(dataset.train, dataset.n_items)
    own_items = bool(config["mix_own_items"])
    parts = own_items + (popularity is not None) + (votes is not None)
    if parts == 0:
        return None
    views = 2 if categories else 1
    mixture = AnswerMixture(
        config["embedding_size"],
        config["mixture_size"],
        parts,
        clicks=views,
        states=views,
        max_length=dataset.max_length,
    )
    new_only = config["softmax_over"] == "new"
    return Answers(mixture, own_items, new_only, popularity, votes, dataset.train_rows)


def memory(config: Any, dataset: SessionDataset) -> Memory | None:
    """Counts of training sessions, set beside the model's answer."""
    if config["memory"] == "none":
        return None
    evidence: list[Evidence] = []
    if config["memory"] in ("rules", "both"):
        evidence.append(SessionRules(dataset.train, dataset.n_items))
        if config["memory_rules"] == "last_two":
            evidence.append(SessionPairRules(dataset.train, dataset.n_items))
    if config["memory"] in ("votes", "both"):
        evidence.append(SessionVotes(dataset.train, dataset.n_items))
    vectors = 3 if config["categories"] == "graph" else 2
    return Memory(evidence, vectors * config["embedding_size"], config["mixture_size"])


def candidate_sampler(config: Any, dataset: SessionDataset) -> CandidateSampler | None:
    """Items that a training step scores, where it does not score all."""
    if not config["train_candidates"]:
        return None
    return CandidateSampler(_item_counts(dataset), whole_number(config, "train_candidates", 1))


def item_trends(config: Any, dataset: SessionDataset) -> ItemTrends | None:
    """What was clicked lately, where the scores know of it."""
    slices = whole_number(config, "trend_slices", 0)
    return ItemTrends(dataset.train, dataset.n_items, slices) if slices else None


def _item_counts(dataset: SessionDataset) -> Tensor:
    """Training clicks of each item, ``[n_items]``."""
    return torch.from_numpy(dataset.train.item_counts(dataset.n_items))


def _transitions(config: Any, sessions: Sessions, nodes: int) -> TransitionCounts:
    return count_transitions(
        sessions,
        nodes,
        direction=config["graph_direction"],
        keep_self=config["keep_self_transitions"],
    )
