r"""What was clicked lately, and how much more likely that makes an item.

The training sessions are cut into slices of time, each of equally many sessions. A session's score
of item i gains

.. math:: \sum_{j \ge 1} w_j \log(1 + n_j(i))

where n_j(i) counts the clicks of i in the j-th slice before the session's own, and the weights w_j
are learned: how fast the past fades. A session knows nothing of its own slice, neither its own
clicks nor any later ones, just as a new session knows the training sessions alone. It is not in the
paper.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from recbole_a2d.data.sessions import Sessions


class ItemTrends(nn.Module):
    """Clicks of each item in each slice, and the weight of a slice by its age.

    Args:
        sessions: training sessions in time order.
        n_items: ids, the pad included.
        slices: how many, S.

    Attributes:
        features: log(1 + clicks) of each item in each slice, ``[N + 1, S]``.
        weight: of slices by age, the youngest first, ``[S]``; zero before training. The last one
            stays zero: no training session has S slices before its own.
    """

    features: Tensor
    slice_of_session: Tensor

    def __init__(self, sessions: Sessions, n_items: int, slices: int) -> None:
        super().__init__()
        slice_of_session = np.arange(len(sessions)) * slices // max(len(sessions), 1)
        counts = np.zeros((n_items, slices), np.float32)
        np.add.at(counts, (sessions.items, slice_of_session[sessions.session_of_click]), 1)
        self.register_buffer("features", torch.from_numpy(counts).log1p(), persistent=False)
        self.register_buffer(
            "slice_of_session", torch.from_numpy(slice_of_session), persistent=False
        )
        self.weight = nn.Parameter(torch.zeros(slices))

    def of_training(self, sessions: Tensor) -> Tensor:
        """Weights of all slices for training sessions of these numbers, ``[B] -> [B, S]``."""
        return self._weights(self.slice_of_session[sessions])

    def of_later(self, count: int) -> Tensor:
        """Weights of all slices for sessions after the training sessions, ``[count, S]``."""
        now = self.slice_of_session.new_tensor([len(self.weight)])
        return self._weights(now).expand(count, -1)

    def _weights(self, now: Tensor) -> Tensor:
        """By age, in a session's slice and after it 0; ``[B] -> [B, S]``."""
        slices = torch.arange(len(self.weight), device=now.device)
        age = now.unsqueeze(1) - 1 - slices
        by_age = torch.cat([self.weight, self.weight.new_zeros(1)])
        return by_age[age.clamp_min(-1)]
