"""Why a run recommends what it recommends: clicks, expected categories, nearest sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_a2d.data.sessions import IntArray
from recbole_a2d.experiment import longest_prefix
from recbole_a2d.explain_neighbors import nearest_by_shared_items, nearest_by_vectors
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.models.a2d_mtl import A2DMTL
from recbole_a2d.recommend import Recommendation, Recommender
from recbole_a2d.registry import title


@dataclass(frozen=True)
class ExplainedClick:
    """One click of the session.

    Attributes:
        item: raw id.
        category: raw id, "" where there is none.
        used: False for a click that training never saw, or that is too far back.
        weight: of the sparse attention; None without one. Exactly 0: switched off as noise.
        rank_without: place of the first recommendation if this click had not happened; None
            where no other click is left.
    """

    item: str
    category: str
    used: bool
    weight: float | None = None
    rank_without: int | None = None

    @property
    def switched_off(self) -> bool:
        """Whether the attention gave it no weight at all."""
        return self.weight == 0.0


@dataclass(frozen=True)
class NearSession:
    """A training session like this one: its number, how near, its clicks and which are shared."""

    number: int
    similarity: float
    items: list[str]
    shared: list[bool]


@dataclass(frozen=True)
class Explanation:
    """All there is to say about one session's list.

    Attributes:
        run, model: name of the run, title of its model.
        clicks: of the session, oldest first.
        answer: the list.
        answer_categories: category of each item of the list, "" for none.
        categories: expected next categories with their probabilities, most likely first.
        near: nearest training sessions.
        nearness: what "near" means for this model.
        alpha: the session's ``alpha_ent`` (1: dense, 2: sparse); None without one.
        notes: what could not be shown, and why.
    """

    run: str
    model: str
    clicks: list[ExplainedClick]
    answer: Recommendation
    answer_categories: list[str]
    categories: list[tuple[str, float]]
    near: list[NearSession]
    nearness: str
    alpha: float | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class _Inside:
    """What a model says of one session: weights ``[clicks]``, categories ``[M + 1]``."""

    weights: list[float | None] | None = None
    alpha: float | None = None
    categories: list[tuple[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def explain(
    recommender: Recommender,
    session: list[str],
    k: int = 20,
    exclude_seen: bool = False,
    near: int = 5,
) -> Explanation:
    """Explain the list of one session.

    Args:
        recommender: the loaded run.
        session: raw item ids, oldest click first.
        k, exclude_seen: as for :func:`recbole_a2d.recommend.recommend`.
        near: how many training sessions to show.
    """
    answer = recommender.recommend([session], k, exclude_seen)[0]
    dataset = recommender.dataset
    coded = recommender.code([session]).items[:-1]
    longest = longest_prefix(recommender.model, dataset)
    used = (coded > 0) & (np.arange(len(coded)) >= len(coded) - longest)
    known = coded[used]
    inside, nearness = _Inside(), ""
    sessions: list[NearSession] = []
    if len(known):
        inside = _look_inside(recommender, known)
        sessions, nearness = _near(recommender, known, near)
    else:
        inside.notes.append("No click is known to this run: the list is what sells best.")
    ranks = _ranks_without(recommender, known, answer, exclude_seen)
    return Explanation(
        run=recommender.run.name,
        model=title(recommender.run.model),
        clicks=_clicks(recommender, session, coded, used, inside, ranks),
        answer=answer,
        answer_categories=[_category(recommender, item) for item in answer.items],
        categories=inside.categories,
        near=sessions,
        nearness=nearness,
        alpha=inside.alpha,
        notes=inside.notes,
    )


def _clicks(
    recommender: Recommender,
    session: list[str],
    coded: IntArray,
    used: Any,
    inside: _Inside,
    ranks: list[int | None],
) -> list[ExplainedClick]:
    known = coded[used]
    nothing: list[float | None] = [None] * len(known)
    weights = inside.weights or nothing
    place = np.cumsum(used) - 1
    return [
        ExplainedClick(
            item=item,
            category=_category(recommender, item),
            used=bool(use),
            weight=weights[at] if use else None,
            rank_without=ranks[at] if use else None,
        )
        for item, use, at in zip(session, used, place, strict=True)
    ]


def _ranks_without(
    recommender: Recommender, known: IntArray, answer: Recommendation, exclude_seen: bool
) -> list[int | None]:
    """Place of the first recommendation after leaving out each click in turn."""
    if len(known) < 2 or not answer.items:
        return [None] * len(known)
    first = recommender.id_of_token[answer.items[0]]
    names = recommender.dataset.item_tokens
    left = [np.delete(known, at) for at in range(len(known))]
    coded = recommender.code([names[items].tolist() for items in left])
    scores = recommender.scores(recommender.rows(coded).batch(np.arange(len(left))))
    return list(recommender.places(scores, first, left if exclude_seen else None))


@torch.no_grad()
def _look_inside(recommender: Recommender, known: IntArray) -> _Inside:
    model, config = recommender.model, recommender.config
    if not isinstance(model, A2DMTL):
        name = title(recommender.run.model)
        return _Inside(notes=[f"{name} has no sparse attention and no category head to show."])
    names = recommender.dataset.item_tokens[known].tolist()
    batch = recommender.rows(recommender.code([names])).batch(np.arange(1))
    batch = batch.to(recommender.device)
    inside = _Inside()
    categories = model.category_table()
    vectors = ItemVectors(model.item_table(categories))
    encoded = model.encode(batch, categories, vectors, inspect=True)
    if encoded.read is None:
        inside.notes.append(f"intra is '{config['intra']}': every click weighs the same.")
    else:
        inside.weights = encoded.read.click_weights[0].float().tolist()
        alpha = encoded.read.alpha
        inside.alpha = 1.5 if alpha is None else float(alpha[0])
    if model.category is None or encoded.categories is None:
        inside.notes.append(f"categories is '{config['categories']}': no category head.")
    else:
        inside.categories = _expected(recommender, model.category, encoded.categories)
    if model.memory is not None and encoded.memory is not None:
        inside.notes.append(_who_answers(model, encoded.memory, batch))
    if model.trends is not None:
        inside.notes.append(_what_counts_lately(model.trends.weight))
    return inside


def _who_answers(model: A2DMTL, log_shares: Tensor, batch: Interaction) -> str:
    assert model.memory is not None
    prefixes, lengths = batch[model.ITEM_SEQ], batch[model.ITEM_SEQ_LEN]
    shares = model.memory.shares(log_shares, prefixes, lengths)[0].tolist()
    parts = zip(shares, ["the model", *model.memory.titles], strict=True)
    return "The answer is " + ", ".join(f"{100 * part:.0f} % {who}" for part, who in parts) + "."


def _what_counts_lately(weight: Tensor) -> str:
    # an item clicked n times has (1 + n)^w times the odds
    factor = 10 ** float(weight[0])
    lately = f"in the latest of {len(weight)} slices of the training sessions"
    return f"Ten times as many clicks {lately} make an item about {factor:.2g} times as likely."


def _expected(recommender: Recommender, head: Any, view: Any) -> list[tuple[str, float]]:
    chances = head.log_probabilities(view)[0].float().exp()
    best = chances.topk(min(5, len(chances) - 1))
    names = recommender.dataset.category_tokens
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [(str(names[category]), chance) for category, chance in pairs]


def _near(recommender: Recommender, known: IntArray, count: int) -> tuple[list[NearSession], str]:
    train, names = recommender.dataset.train, recommender.dataset.item_tokens
    if isinstance(recommender.model, A2DMTL):
        vectors = recommender.model.item_vectors()
        numbers, similarity = nearest_by_vectors(vectors, train, known, count)
        nearness = "cosine of the sessions' mean item vectors (Eq. 16-17)"
    else:
        numbers, similarity = nearest_by_shared_items(train, known, count)
        nearness = "shared items over the root of both sessions' numbers of items"
    pairs = zip(numbers.tolist(), similarity.tolist(), strict=True)
    return [
        NearSession(
            number=number,
            similarity=value,
            items=names[train[number]].tolist(),
            shared=np.isin(train[number], known).tolist(),
        )
        for number, value in pairs
    ], nearness


def _category(recommender: Recommender, item: str) -> str:
    dataset = recommender.dataset
    category = dataset.category_of_item[recommender.id_of_token.get(item, 0)]
    return str(dataset.category_tokens[category]) if category > 0 else ""


def as_text(explanation: Explanation) -> str:
    """The explanation for a terminal."""
    lines = [f"{explanation.model} ({explanation.run})", *explanation.notes, "clicks:"]
    lines += [f"  {_click_line(click)}" for click in explanation.clicks]
    if explanation.alpha is not None:
        lines.append(f"  alpha_ent {explanation.alpha:.3f} (1 keeps all clicks, 2 is sparsest)")
    if explanation.categories:
        lines.append("expected next categories:")
        lines += [f"  {name:<20}{100 * chance:6.1f} %" for name, chance in explanation.categories]
    if explanation.near:
        lines.append(f"nearest training sessions, by {explanation.nearness}:")
        lines += [f"  {_session_line(session)}" for session in explanation.near]
    return "\n".join(lines)


def _click_line(click: ExplainedClick) -> str:
    text = f"{click.item:<20}{click.category:<16}"
    if not click.used:
        return text + "left out: training never saw it, or it is too far back"
    if click.weight is not None:
        text += "switched off" if click.switched_off else f"weight {click.weight:.3f}"
    if click.rank_without is not None:
        text += f"   without it the first item is number {click.rank_without}"
    return text.rstrip()


def _session_line(session: NearSession) -> str:
    items = (
        f"[{item}]" if shared else item
        for item, shared in zip(session.items, session.shared, strict=True)
    )
    return f"{session.similarity:.3f}  {' '.join(items)}"
