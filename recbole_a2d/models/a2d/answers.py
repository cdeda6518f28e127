"""The parts of A2D-MTL's answer that stand beside the softmax over all items."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.layers.answer_mixture import (
    AnswerMixture,
    CategoryPopularity,
    Mixed,
    point,
    point_scores,
    pointed_at,
    target_mixture,
)
from recbole_a2d.layers.full_softmax import TargetMixture
from recbole_a2d.layers.left_out import leave_out_
from recbole_a2d.layers.log_partition import log_sums
from recbole_a2d.models.neighbours.votes import SessionVotes


class Answers(nn.Module):
    """Mixes the softmax with the session's own items, best sellers and neighbours' votes.

    Args:
        mixture: learned weights of the parts.
        own_items: whether the session's own items are a part.
        new_only: whether the softmax is over the items alone that the session has not met.
        popularity: best sellers of the predicted categories, or None.
        votes: votes of similar training sessions, or None.
        train_rows: training rows; sessions before their own alone vote for them.
    """

    def __init__(
        self,
        mixture: AnswerMixture,
        own_items: bool,
        new_only: bool,
        popularity: CategoryPopularity | None,
        votes: SessionVotes | None,
        train_rows: PrefixRows,
    ) -> None:
        super().__init__()
        self.popularity, self.votes, self.mixture = popularity, votes, mixture
        self.own_items, self.new_only = own_items, new_only
        self.train_rows = train_rows

    @property
    def needs_categories(self) -> bool:
        """Whether the predicted categories of Eq. 23 enter."""
        return self.popularity is not None

    @property
    def gives_logarithms(self) -> bool:
        """Whether :meth:`mix` gives logarithms; probabilities otherwise."""
        return self.popularity is None and self.votes is None

    def of_targets(
        self,
        mixed: Mixed,
        prefixes: Tensor,
        targets: Tensor,
        rows: Tensor,
        log_categories: Tensor | None,
    ) -> TargetMixture:
        """What the loss of training rows needs of all parts but the softmax.

        Args:
            mixed: weights of the parts.
            prefixes: ``[B, T]``.
            targets, rows: target items and numbers of the training rows, ``[B]`` each.
            log_categories: log-probabilities of the next category, ``[B, M + 1]``, if any.
        """
        parts = []
        if self.own_items:
            parts.append(pointed_at(mixed.pointer, prefixes, targets))
        if self.popularity is not None and log_categories is not None:
            parts.append(self.popularity.of_targets(log_categories, targets))
        if self.votes is not None:
            parts.append(self._votes_of_row[rows.cpu()].to(targets.device))
        return target_mixture(mixed, parts)

    @cached_property
    def _votes_of_row(self) -> Tensor:
        """Votes of earlier sessions for each training row's target; training alone asks."""
        assert self.votes is not None
        return self.votes.target_votes(self.train_rows)

    def mix(
        self,
        scores: Tensor,
        mixed: Mixed,
        prefixes: Tensor,
        lengths: Tensor,
        mask: Tensor,
        log_categories: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Scores of all items by all parts, ``[B, N + 1]``; overwrites those of the softmax.

        They are probabilities, or where the session's own items are the only other part
        logarithms of them plus a constant of each row, ``[B]``, which is the second result.
        """
        if self.new_only:
            leave_out_(scores, prefixes)
        if self.gives_logarithms:
            constant = log_sums(scores) - mixed.log_shares[:, 0]
            odds = mixed.log_shares[:, 1] + constant
            return point_scores(scores, mixed.pointer, odds, prefixes, mask), constant
        scores[:, 0] = -torch.inf
        shares = iter(mixed.log_shares.exp().unbind(1))
        result = scores.softmax(1).mul_(next(shares).unsqueeze(1))
        if self.own_items:
            point(result, mixed.pointer, prefixes, next(shares))
        if self.popularity is not None:
            assert log_categories is not None
            self.popularity.add_to(result, log_categories, next(shares))
        if self.votes is not None:
            result.addcmul_(self.votes(prefixes, lengths), next(shares).unsqueeze(1))
        return result, None
