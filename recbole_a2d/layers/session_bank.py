"""Mean vectors of sessions, and the mix of the nearest ones (Eq. 16-19)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def session_means(
    item_vectors: Tensor, items: Tensor, offsets: Tensor, chunk: int = 65_536
) -> Tensor:
    """Mean item vector of every session (Eq. 16); unknown items (0) count for nothing.

    Shapes:
        item_vectors ``[N + 1, D]``, items ``[clicks]``, offsets ``[S + 1]`` -> ``[S, D]``.
    """
    known = (items > 0).to(item_vectors.dtype)
    parts = []
    for start in range(0, len(offsets) - 1, chunk):
        bounds = offsets[start : start + chunk + 1]
        span = slice(int(bounds[0]), int(bounds[-1]))
        parts.append(
            F.embedding_bag(
                items[span],
                item_vectors,
                bounds[:-1] - bounds[0],
                mode="sum",
                per_sample_weights=known[span],
            )
        )
        counts = torch.segment_reduce(known[span], "sum", offsets=bounds - bounds[0])
        parts[-1] /= counts.clamp_min(1.0).unsqueeze(1)
    return torch.cat(parts) if parts else item_vectors.new_zeros(0, item_vectors.shape[1])


def nearest_sessions(
    queries: Tensor, bank: Tensor, neighbors: int, banned: Tensor | None = None
) -> Tensor:
    """Indices of the nearest sessions by cosine.

    Args:
        queries: ``[B, D]``.
        bank: normalised session means, ``[S, D]``.
        neighbors: how many; fewer where the bank is smaller.
        banned: one session a row that may not be chosen, ``[B]``, or a mask ``[B, S]``.

    Returns:
        ``[B, R]``.
    """
    similarity = queries.to(bank.dtype) @ bank.T
    if banned is not None and banned.dim() == 1:
        similarity.scatter_(1, banned.unsqueeze(1), -torch.inf)
    elif banned is not None:
        similarity.masked_fill_(banned, -torch.inf)
    return similarity.topk(min(neighbors, len(bank)), dim=1).indices


def mix_neighbors(queries: Tensor, neighbors: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Softmax of the cosines, weighted sum of the neighbours (Eq. 17-19).

    Shapes:
        queries ``[B, D]``, neighbors ``[B, R, D]``, allowed ``[B, R]`` -> ``[B, D]``; a row
        with nothing allowed gets zeros.
    """
    cosine = F.cosine_similarity(queries.unsqueeze(1), neighbors, dim=-1).float()
    if allowed is not None:
        cosine = cosine.masked_fill(~allowed, -1e4)
    weights = cosine.softmax(dim=1)
    if allowed is not None:
        weights = weights * allowed
    return torch.bmm(weights.unsqueeze(1).to(neighbors.dtype), neighbors).squeeze(1)
