"""The adaptive sparse attention that reads one session (Eq. 8-15)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recbole_a2d.layers.adaptive_entmax import NOT_THERE, AdaptiveSparsity, masked_entmax
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.masking import last_click, masked_mean, position_from_end


class SessionFeatures(nn.Module):
    r"""Clicks seen in the light of the whole session (Eq. 8-10).

    .. math::
        S_{seq} = \sigma(W_2 H + W_1 h_{last} + W_3 \bar H + W_4 \bar{\tilde h} + b)

    Args:
        dim: size of the vectors.
        categories: whether there is a category summand.
    """

    def __init__(self, dim: int, *, categories: bool = True) -> None:
        super().__init__()
        self.click = nn.Linear(dim, dim)
        self.last = nn.Linear(dim, dim)
        self.item_mean = nn.Linear(dim, dim)
        self.category_mean = nn.Linear(dim, dim) if categories else None

    def forward(
        self, clicks: Tensor, mask: Tensor, lengths: Tensor, category_mean: Tensor | None
    ) -> Tensor:
        """Shapes: clicks ``[B, T, D]``, mask ``[B, T]``, category_mean ``[B, D]`` -> ``[B, T, D]``.

        Pads come out as zero.
        """
        shared = self.last(last_click(clicks, lengths)) + self.item_mean(masked_mean(clicks, mask))
        if self.category_mean is not None and category_mean is not None:
            shared = shared + self.category_mean(category_mean)
        features = torch.sigmoid((self.click(clicks) + shared.unsqueeze(1)).float())
        return features * mask.unsqueeze(-1)


class ContextAttention(nn.Module):
    r"""Self-attention over the session's clicks, refined (Eq. 11-13).

    .. math::
        Q = \mathrm{Dropout}(\mathrm{ReLU}(W S)) \qquad
        A = \mathrm{softmax}(Q S^\top / \sqrt D)\, S \qquad
        a = \mathrm{LN}(A + \mathrm{MLP}(A))

    As printed, the features of all clicks are positive and alike, so the softmax is nearly
    uniform and every ``a_t`` nearly the same. With ``keep_input`` the residual path carries
    the click itself too: ``a = LN(S + A + MLP(A))``.

    Args:
        dim: size of the vectors.
        dropout: of the query and of the refinement.
        keep_input: see above; the printed formula leaves it out.
    """

    def __init__(self, dim: int, dropout: float, *, keep_input: bool = False) -> None:
        super().__init__()
        self.keep_input = keep_input
        self.query = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), FastDropout(dropout))
        self.refine = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), FastDropout(dropout)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Shapes: features ``[B, T, D]``, mask ``[B, T]`` -> ``[B, T, D]``."""
        attended = torch.bmm(self.weights(features, mask).to(features.dtype), features)
        refined = attended + self.refine(attended)
        if self.keep_input:
            refined = refined + features
        return self.norm(refined.float())

    def weights(self, features: Tensor, mask: Tensor) -> Tensor:
        """Attention of every click on every click, ``[B, T, T]``."""
        scores = torch.bmm(self.query(features).to(features.dtype), features.transpose(1, 2))
        scores = scores.float() * features.shape[-1] ** -0.5
        return scores.masked_fill(~mask.unsqueeze(1), NOT_THERE).softmax(dim=-1)


FIXED_ALPHA = 1.5
"""``alpha_ent`` of every session in w/o AdaSPA."""


class SparseReadout(nn.Module):
    r"""Weighted sum of values with entmax weights (Eq. 14-15).

    The paper names no projection between the refined vectors and the weights; without one
    Eq. 15 does not give a vector. The scalar score ``w^T a_t`` is our addition.

    Args:
        dim: size of the vectors.
        context_dim: size of what ``alpha_ent`` is computed from; None: fixed at 1.5.
    """

    def __init__(self, dim: int, context_dim: int | None) -> None:
        super().__init__()
        # a softmax-like weight knows no bias
        self.score = nn.Linear(dim, 1, bias=False)
        self.sparsity = AdaptiveSparsity(context_dim) if context_dim else None

    def forward(
        self, refined: Tensor, values: Tensor, mask: Tensor, context: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Session vector and click weights.

        Shapes:
            refined, values ``[B, T, D]``, mask ``[B, T]``, context ``[B, C]``
            -> ``[B, D]``, ``[B, T]``.
        """
        alpha = self.alpha(context)
        scores = self.score(refined).squeeze(-1)
        weights = masked_entmax(scores, mask, FIXED_ALPHA if alpha is None else alpha)
        return torch.bmm(weights.unsqueeze(1).to(values.dtype), values).squeeze(1), weights

    def alpha(self, context: Tensor) -> Tensor | None:
        """``alpha_ent`` of each session, ``[B, 1]``; None where it is fixed."""
        return None if self.sparsity is None else self.sparsity(context)


@dataclass
class ReadSession:
    """What the sparse attention made of a batch.

    Attributes:
        session: S_intra of Eq. 15, ``[B, D]``.
        click_weights: entmax weights of Eq. 14, ``[B, T]``.
        context_weights: softmax weights of Eq. 12, ``[B, T, T]``; only when asked for.
        alpha: ``alpha_ent``, ``[B, 1]``; None where it is fixed; only when asked for.
    """

    session: Tensor
    click_weights: Tensor
    context_weights: Tensor | None = None
    alpha: Tensor | None = None


class SessionReader(nn.Module):
    """The whole adaptive sparse attention mechanism: Eq. 8-15.

    Args:
        dim: size of the vectors.
        categories: whether category means take part (Eq. 9, and in ``alpha_ent``).
        adaptive: ``alpha_ent`` of each session's own, else 1.5.
        position_count: size of a table of positions from the last click, added inside
            Eq. 8; 0 for none.
        dropout: of Eq. 11 and 13.
        keep_input: see :class:`ContextAttention`.
    """

    def __init__(
        self,
        dim: int,
        *,
        categories: bool,
        adaptive: bool,
        position_count: int,
        dropout: float,
        keep_input: bool = False,
    ) -> None:
        super().__init__()
        self.position = nn.Embedding(position_count, dim, padding_idx=0) if position_count else None
        self.features = SessionFeatures(dim, categories=categories)
        self.context = ContextAttention(dim, dropout, keep_input=keep_input)
        self.readout = SparseReadout(dim, dim * (1 + categories) if adaptive else None)

    def forward(
        self,
        clicks: Tensor,
        values: Tensor,
        lengths: Tensor,
        mask: Tensor,
        category_mean: Tensor | None,
        *,
        inspect: bool = False,
    ) -> ReadSession:
        """Read sessions.

        Shapes:
            clicks, values ``[B, T, D]``, lengths ``[B]``, mask ``[B, T]``,
            category_mean ``[B, D]`` or None.
        """
        placed = clicks
        if self.position is not None:
            placed = clicks + self.position(position_from_end(lengths, mask.shape[1]))
        features = self.features(placed, mask, lengths, category_mean)
        context = last_click(clicks, lengths)
        if category_mean is not None:
            context = torch.cat([context, category_mean], dim=1)
        session, weights = self.readout(self.context(features, mask), values, mask, context)
        read = ReadSession(session, weights)
        if inspect:
            read.context_weights = self.context.weights(features, mask)
            read.alpha = self.readout.alpha(context)
        return read
