"""Whether a model expects returns, targets among a session's own items, as often as they come."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from recbole_a2d.layers.left_out import is_among


def own_mass(log_probabilities: Tensor, prefixes: Tensor) -> Tensor:
    """Probability of the session's own items together, ``[B]``.

    Shapes: log-probabilities plus any constant of each row ``[B, N + 1]`` (column 0 is not read),
    prefixes ``[B, T]`` (0 on empty places).
    """
    own = torch.zeros_like(log_probabilities, dtype=torch.bool).scatter_(1, prefixes, True)
    shares = log_probabilities[:, 1:].float().softmax(1)
    return shares.mul_(own[:, 1:]).sum(1)


def return_report(masses: Iterable[Tensor], prefixes: Tensor, targets: Tensor) -> dict[str, float]:
    """``returns``: share of the rows whose target stands in the prefix; ``expected_returns``: what
    the model took it for. Nothing where there are no rows.

    Shapes: masses of :func:`own_mass`, all rows in turn; prefixes ``[B, T]``, targets ``[B]``.
    """
    if len(targets) == 0:
        return {}
    returned = is_among(targets, prefixes) & (targets > 0)
    expected = torch.cat(list(masses)).mean()
    return {
        "returns": round(float(returned.float().mean()), 6),
        "expected_returns": round(float(expected), 6),
    }
