"""The softmax over the items that a session has not met, where another part answers for the rest.

A mean of the clicks is nearest to the clicks themselves, so a softmax over all items spends on them
what it is the pointer's business to know. And what it spends there is not what it seems: on a
training row whose target is new, the softmax has learned the target by heart and leaves the
session's own items little; on an unknown row it leaves them much, on top of the pointer's share.
Returns are then expected too often. Without own items in the softmax, what is learned of that share
is all there is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_a2d.layers.full_softmax import TargetMixture, full_softmax_losses
from recbole_a2d.layers.log_partition import FixedScores


def new_items_losses(
    session_vectors: Tensor,
    item_table: Tensor,
    targets: Tensor,
    mixture: TargetMixture,
    *,
    own: Tensor,
    unit_items: bool = False,
    fixed: FixedScores | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Cross-entropy of a mixture whose softmax knows no item of the session's own.

    .. math:: p(y) = e^{share}\, [y \notin own]\, softmax_{\notin own}(y) + e^{rest}

    A row whose target is one of them needs no score of any item, and is spared them.

    Args:
        session_vectors, item_table, targets, mixture, unit_items, fixed: as for
            :func:`~recbole_a2d.layers.full_softmax.full_softmax_loss`.
        own: the session's items, 0 on empty places, ``[B, T]``.

    Returns:
        Scalar, and the cross-entropy of each row, ``[B]``, which has no gradient; float32.
    """
    losses = -mixture.log_rest.float()
    is_new = (own != targets.unsqueeze(1)).all(1)
    rows = is_new.nonzero().squeeze(1)
    total = losses[~is_new].sum()
    losses = losses.detach()
    if len(rows) > 0:
        mean, of_rows = full_softmax_losses(
            session_vectors[rows],
            item_table,
            targets[rows],
            mixture.of(rows),
            unit_items=unit_items,
            fixed=None if fixed is None else fixed.of(rows),
            left_out=own[rows],
        )
        total = total + mean * len(rows)
        losses = losses.index_copy(0, rows, of_rows)
    return total / len(targets), losses


def leave_out_(scores: Tensor, own: Tensor) -> Tensor:
    """Scores of minus infinity for each session's own items, in place.

    A session that holds every item there is keeps its scores.

    Shapes: scores ``[B, N + 1]`` (column 0 is not read), own ``[B, T]`` (0 on empty places).
    """
    if own.shape[1] >= scores.shape[1] - 1:
        met = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, own, True)
        own = own.masked_fill(met[:, 1:].all(1, keepdim=True), 0)
    return scores.scatter_(1, own, -torch.inf)
