"""The training sessions nearest to a new one, for people to look at."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.layers.session_bank import session_means

FloatArray = NDArray[np.float64]


@torch.no_grad()
def nearest_by_vectors(
    item_vectors: Tensor, train: Sessions, known: IntArray, count: int
) -> tuple[IntArray, FloatArray]:
    """Training sessions by the cosine of mean item vectors (Eq. 16-17), nearest first.

    Args:
        item_vectors: ``[N + 1, D]``.
        train: training sessions.
        known: item ids of the new session's known clicks, ``[clicks]``.
        count: at most so many.

    Returns:
        Session numbers and cosines, ``[count]`` each.
    """
    vectors = item_vectors.float().cpu()
    means = session_means(vectors, torch.from_numpy(train.items), torch.from_numpy(train.offsets))
    query = vectors[torch.from_numpy(known)].mean(0, keepdim=True)
    nearest = F.cosine_similarity(query, means).topk(min(count, len(means)))
    return nearest.indices.numpy(), nearest.values.double().numpy()


def nearest_by_shared_items(
    train: Sessions, known: IntArray, count: int
) -> tuple[IntArray, FloatArray]:
    r"""Training sessions by ``|shared items| / sqrt(|items of one| |items of the other|)``.

    Equally near ones come latest first; sessions that share nothing do not come at all.

    Returns:
        Session numbers and similarities, at most ``count`` each.
    """
    wanted = np.unique(known)
    hit = np.flatnonzero(np.isin(train.items, wanted))
    session = np.searchsorted(train.offsets, hit, side="right") - 1
    pairs = np.unique(np.stack([session, train.items[hit]]), axis=1)
    found, shared = np.unique(pairs[0], return_counts=True)
    sizes = np.array([len(np.unique(train[number])) for number in found], np.float64)
    similarity = shared / np.sqrt(sizes * len(wanted))
    order = np.lexsort((-found, -similarity))[:count]
    return found[order], similarity[order]
