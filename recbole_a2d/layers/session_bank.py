"""Mean vectors of sessions, and the mix of the nearest ones (Eq. 16-19)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NEVER = -1e4
"""Cosine of a session that may not be chosen: finite, so that a row without any yields no NaN."""


def session_means(
    item_vectors: Tensor, items: Tensor, offsets: Tensor, chunk: int = 65_536
) -> Tensor:
    """Mean item vector of every session (Eq. 16); unknown items (0) count for nothing.

    Shapes:
        item_vectors ``[N + 1, D]``, items ``[clicks]``, offsets ``[S + 1]`` -> ``[S, D]``.
    """
    means = item_vectors.new_zeros(len(offsets) - 1, item_vectors.shape[1])
    for start in range(0, len(means), chunk):
        bounds = offsets[start : start + chunk + 1]
        clicks = items[int(bounds[0]) : int(bounds[-1])]
        known = (clicks > 0).to(item_vectors.dtype)
        bags = bounds - bounds[0]
        sums = F.embedding_bag(
            clicks, item_vectors, bags[:-1], mode="sum", per_sample_weights=known
        )
        counts = torch.segment_reduce(known, "sum", offsets=bags)
        means[start : start + chunk] = sums / counts.clamp_min(1.0).unsqueeze(1)
    return means


def mix_neighbors(queries: Tensor, neighbors: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Softmax of the cosines, weighted sum of the neighbours (Eq. 17-19).

    Shapes:
        queries ``[B, D]``, neighbors ``[B, R, D]``, allowed ``[B, R]`` -> ``[B, D]``; a row
        with nothing allowed gets zeros.
    """
    cosine = F.cosine_similarity(queries.unsqueeze(1).float(), neighbors.float(), dim=-1)
    if allowed is not None:
        cosine = cosine.masked_fill(~allowed, _NEVER)
    weights = cosine.softmax(dim=1)
    if allowed is not None:
        weights = weights * allowed
    return torch.bmm(weights.unsqueeze(1), neighbors.float()).squeeze(1)


class TrainingSessionBank(nn.Module):
    """Means of all training sessions, refreshed without gradient once an epoch.

    A training row never meets its own session; a test row's result does not depend on the
    rows ranked with it.

    Args:
        items, offsets: the training sessions.
        dim: size of the vectors.
        neighbors: R, how many sessions are mixed.
    """

    means: Tensor
    directions: Tensor
    items: Tensor
    offsets: Tensor

    def __init__(self, items: Tensor, offsets: Tensor, dim: int, neighbors: int) -> None:
        super().__init__()
        self.neighbors = min(neighbors, len(offsets) - 1)
        self.register_buffer("means", torch.zeros(len(offsets) - 1, dim))
        self.register_buffer("directions", torch.zeros(0, dim), persistent=False)
        self.register_buffer("items", items, persistent=False)
        self.register_buffer("offsets", offsets, persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module._point())

    @torch.no_grad()
    def refresh(self, item_vectors: Tensor) -> None:
        """Compute the means anew: item_vectors ``[N + 1, D]``."""
        self.means.copy_(session_means(item_vectors.float(), self.items, self.offsets))
        self._point()

    def forward(self, queries: Tensor, own_session: Tensor | None = None) -> Tensor:
        """Mix of the nearest sessions: queries ``[B, D]``, own_session ``[B]`` -> ``[B, D]``."""
        nearest = self.nearest(queries, own_session)
        allowed = None if own_session is None else nearest != own_session.unsqueeze(1)
        return mix_neighbors(queries, self.means[nearest], allowed)

    @torch.no_grad()
    def nearest(self, queries: Tensor, own_session: Tensor | None = None) -> Tensor:
        """Indices of the nearest sessions by cosine, ``[B, R]``; the own one comes last of all."""
        similarity = queries.to(self.directions.dtype) @ self.directions.T
        if own_session is not None:
            similarity.scatter_(1, own_session.unsqueeze(1), -torch.inf)
        return similarity.topk(self.neighbors, dim=1, sorted=False).indices

    def _point(self) -> None:
        # bfloat16 halves the memory the search reads; it decides who is near, not the mix.
        self.directions = F.normalize(self.means, dim=1).to(torch.bfloat16)


class BatchBank(nn.Module):
    """Neighbours taken from the rows of the same batch, as public code of this line does.

    For the leak audit only. Prefixes of one session stand side by side in the test files,
    and the nearest neighbour of a prefix is the next longer one, which holds the target.

    Args:
        neighbors: R, how many rows are mixed.
        mask_own_session: leave out the rows of the same session (no leak, but a row's
            scores still depend on its batch).
    """

    def __init__(self, neighbors: int, *, mask_own_session: bool) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.mask_own_session = mask_own_session

    def forward(self, queries: Tensor, sessions: Tensor) -> Tensor:
        """Mix of the nearest rows: queries ``[B, D]``, sessions ``[B]`` -> ``[B, D]``."""
        direction = F.normalize(queries.detach().float(), dim=1)
        banned = torch.eye(len(queries), dtype=torch.bool, device=queries.device)
        if self.mask_own_session:
            banned = banned | (sessions.unsqueeze(0) == sessions.unsqueeze(1))
        similarity = (direction @ direction.T).masked_fill(banned, -torch.inf)
        nearest = similarity.topk(min(self.neighbors, len(queries)), dim=1)
        return mix_neighbors(queries, queries[nearest.indices], nearest.values > -torch.inf)
