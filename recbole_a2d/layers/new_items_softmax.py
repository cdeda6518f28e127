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

    All rows go through the softmax, also those whose target is one of them and that take nothing
    from it: a batch of ever another size costs more than it spares.

    Args:
        session_vectors, item_table, targets, mixture, unit_items, fixed: as for
            :func:`~recbole_a2d.layers.full_softmax.full_softmax_loss`.
        own: the session's items, 0 on empty places, ``[B, T]``.

    Returns:
        Scalar, and the cross-entropy of each row, ``[B]``, which has no gradient; float32.
    """
    is_own = (own == targets.unsqueeze(1)).any(1)
    of_softmax = mixture.log_share.masked_fill(is_own, -torch.inf)
    return full_softmax_losses(
        session_vectors,
        item_table,
        targets,
        TargetMixture(of_softmax, mixture.log_rest),
        unit_items=unit_items,
        fixed=fixed,
        left_out=_without_whole_catalogues(own, len(item_table)),
    )


def leave_out_(scores: Tensor, own: Tensor) -> Tensor:
    """Scores of minus infinity for each session's own items, in place.

    A session that holds every item there is keeps its scores.

    Shapes: scores ``[B, N + 1]`` (column 0 is not read), own ``[B, T]`` (0 on empty places).
    """
    return scores.scatter_(1, _without_whole_catalogues(own, scores.shape[1]), -torch.inf)


def _without_whole_catalogues(own: Tensor, size: int) -> Tensor:
    """The same with empty places in rows that hold all of the items 1 to size - 1."""
    if own.shape[1] < size - 1:
        return own
    met = torch.zeros(len(own), size, dtype=torch.bool, device=own.device).scatter_(1, own, True)
    return own.masked_fill(met[:, 1:].all(1, keepdim=True), 0)
