"""How often a click's item occurs in its session, as a vector (MiaSRec)."""

from __future__ import annotations

from torch import Tensor, nn


class FrequencyEmbedding(nn.Module):
    """Embedding of the number of times an item occurs in its row (Choi et al., 2024).

    Args:
        dim: size of the vectors.
        max_count: counts above this share one vector; 0 is that of a pad, which nobody reads.
    """

    def __init__(self, dim: int, max_count: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max_count + 1, dim, padding_idx=0)
        self.max_count = max_count

    def forward(self, items: Tensor) -> Tensor:
        """Shapes: item ids ``[B, T]``, 0 on pads -> ``[B, T, D]``."""
        vectors: Tensor = self.embedding(occurrences(items).clamp_max(self.max_count))
        return vectors


def occurrences(items: Tensor) -> Tensor:
    """Occurrences of each place's item in its row, 0 on pads; ``[B, T] -> [B, T]``."""
    same = items.unsqueeze(1) == items.unsqueeze(2)
    return same.sum(dim=2) * (items != 0)
