"""The answer as a mixture: the softmax over all items, and parts that know more of some items.

Two things decide much of what comes next and are hard to say by a dot product with an average
of the clicks. Shoppers come back: 20 % of Diginetica's and 45 % of Tmall's targets stand in
their own session already. And a category's best sellers are known before anything of a
session is. Each becomes a distribution of its own:

.. math:: p(i) = w_0\\, softmax(s \\cdot v_i) + w_1 \\sum_{t:\\, x_t = i} a_t
                 + w_2\\, p(c_i \\mid s_{cate})\\, popularity(i \\mid c_i)

The pointer ``a`` is a softmax over the clicks and the weights ``w`` are a softmax too, both
learned from the clicks, their categories, their places and the session's states. The split
into returns and new items is RepeatNet's (Ren et al., AAAI 2019); the category's distribution
is that of Eq. 23. None of it is in the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recbole_a2d.layers.full_softmax import TargetMixture
from recbole_a2d.layers.masking import position_from_end

_LEAST = 1e-30
"""Stands for a probability of zero, whose logarithm has no gradient."""


class Mixed(NamedTuple):
    """How a batch of prefixes mixes its answers.

    Attributes:
        pointer: weights of the clicks, summing to 1 on each row that has any, ``[B, T]``.
        log_shares: log of the parts' weights, the softmax over all items first, ``[B, 1 + P]``.
    """

    pointer: Tensor
    log_shares: Tensor

    def of(self, rows: slice) -> Mixed:
        """That of some rows."""
        return Mixed(*(part[rows] for part in self))


class AnswerMixture(nn.Module):
    """Pointer to the session's own items and weights of the parts.

    Args:
        dim: size of the clicks' and the sessions' vectors.
        hidden: size of what is made of them.
        parts: how many distributions stand beside the softmax over all items.
        clicks: how many vectors describe a click (its item, its category).
        states: how many vectors describe a session (its item vector, its category state).
        max_length: longest prefix.
    """

    def __init__(
        self, dim: int, hidden: int, parts: int, *, clicks: int, states: int, max_length: int
    ) -> None:
        super().__init__()
        self.of_click = nn.ModuleList(nn.Linear(dim, hidden, bias=False) for _ in range(clicks))
        self.of_session = nn.ModuleList(nn.Linear(dim, hidden, bias=False) for _ in range(states))
        self.place = nn.Embedding(max_length + 1, hidden, padding_idx=0)
        self.count = nn.Embedding(max_length + 1, hidden, padding_idx=0)
        self.point = nn.Linear(hidden, 1, bias=False)
        self.gate = nn.Linear(hidden, 1 + parts)

    def forward(
        self,
        items: Tensor,
        lengths: Tensor,
        mask: Tensor,
        clicks: tuple[Tensor, ...],
        states: tuple[Tensor, ...],
    ) -> Mixed:
        """Shapes: items, mask ``[B, T]``, lengths ``[B]``, each of clicks ``[B, T, D]``, of states
        ``[B, D]``.
        """
        hidden = self.place(position_from_end(lengths, items.shape[1]))
        hidden = hidden + self.count(same_item(items, mask).sum(2))
        for layer, vectors in zip(self.of_click, clicks, strict=True):
            hidden = hidden + layer(vectors)
        for layer, vectors in zip(self.of_session, states, strict=True):
            hidden = hidden + layer(vectors).unsqueeze(1)
        hidden = torch.tanh(hidden)
        scores = self.point(hidden).squeeze(2).float().masked_fill(~mask, -torch.inf)
        # A prefix without any known click points nowhere.
        pointer = torch.nan_to_num(scores.softmax(1))
        pooled = torch.bmm(pointer.unsqueeze(1).to(hidden.dtype), hidden).squeeze(1)
        return Mixed(pointer, self.gate(pooled).float().log_softmax(1))


def same_item(items: Tensor, mask: Tensor) -> Tensor:
    """True where two clicks of a prefix are of the same item; ``[B, T] -> [B, T, T]``."""
    return (items.unsqueeze(2) == items.unsqueeze(1)) & mask.unsqueeze(1) & mask.unsqueeze(2)


def pointed_at(pointer: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    """The pointer's probability of one item a row; ``[B, T], [B, T], [B] -> [B]``."""
    return (pointer * (items == targets.unsqueeze(1))).sum(1)


def target_mixture(mixed: Mixed, probabilities: list[Tensor]) -> TargetMixture:
    """What :func:`~recbole_a2d.layers.full_softmax.full_softmax_loss` needs of the other parts.

    Args:
        mixed: the weights.
        probabilities: of the targets by each part in turn, ``[B]`` each.
    """
    parts = torch.stack(probabilities, dim=1).float().clamp_min(_LEAST).log()
    log_rest = (mixed.log_shares[:, 1:] + parts).logsumexp(1)
    return TargetMixture(mixed.log_shares[:, 0], log_rest)


def point(probabilities: Tensor, pointer: Tensor, items: Tensor, share: Tensor) -> Tensor:
    """Add the pointer's share to the probabilities of the session's own items, in place.

    Shapes: probabilities ``[B, N + 1]``, pointer and items ``[B, T]``, share ``[B]``.
    """
    return probabilities.scatter_add_(1, items, pointer * share.unsqueeze(1))


def point_scores(
    scores: Tensor, pointer: Tensor, odds: Tensor, items: Tensor, mask: Tensor
) -> Tensor:
    r"""Add the pointer to a mixture that is given by its logs, up to a constant of each row.

    .. math:: \log(w_0 softmax(i) + w_1 pointer(i)) - \log w_0 + \log \textstyle\sum_j e^{s_j}

    That is the score itself but for the session's own items, so no pass over all items is spent
    on probabilities. Overwrites the scores.

    Shapes: scores ``[B, N + 1]`` (column 0 is not read), pointer, items and mask ``[B, T]``, odds
    ``[B]``: log of w_1, less the constant.
    """
    mass = torch.bmm(same_item(items, mask).float(), pointer.unsqueeze(2)).squeeze(2)
    own = torch.logaddexp(scores.gather(1, items), mass.log() + odds.unsqueeze(1))
    return scores.scatter_(1, items, own)


class CategoryPopularity(nn.Module):
    """Share of an item among the training clicks of its category.

    Args:
        counts: training clicks of each item, pad included, ``[N + 1]``.
        category_of_item: 0 where an item has none, ``[N + 1]``.
    """

    category_of_item: Tensor
    share: Tensor
    share_of_others: Tensor

    def __init__(self, counts: Tensor, category_of_item: Tensor) -> None:
        super().__init__()
        counts = counts.double().masked_fill(category_of_item == 0, 0)
        totals = torch.zeros(int(category_of_item.max()) + 1, dtype=torch.float64)
        totals = totals.index_add_(0, category_of_item, counts)[category_of_item]
        self.register_buffer("category_of_item", category_of_item)
        self.register_buffer("share", (counts / totals.clamp_min(1)).float())
        # A training row's own click tells it nothing: without it, an item has one click less.
        others = (counts - 1).clamp_min(0) / (totals - 1).clamp_min(1)
        self.register_buffer("share_of_others", others.float(), persistent=False)

    def of_targets(self, log_categories: Tensor, targets: Tensor) -> Tensor:
        """Probability of each training row's target, its own click left out.

        Shapes: log_categories ``[B, M + 1]`` (column 0 is no category), targets ``[B]`` -> ``[B]``.
        """
        categories = self.category_of_item[targets].unsqueeze(1)
        return log_categories.gather(1, categories).squeeze(1).exp() * self.share_of_others[targets]

    def add_to(self, probabilities: Tensor, log_categories: Tensor, share: Tensor) -> Tensor:
        """Add its share to the probabilities of all items, in place.

        Shapes: probabilities ``[B, N + 1]``, log_categories ``[B, M + 1]``, share ``[B]``.
        """
        of_category = log_categories.exp() * share.unsqueeze(1)
        return probabilities.addcmul_(of_category[:, self.category_of_item], self.share)
