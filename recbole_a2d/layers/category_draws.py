"""Random items of an item's own category, for many items at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CategoryDraws(nn.Module):
    """Draws without replacement among the other items of a category.

    All items are written down category by category, shuffled within each (a *list*). The
    draw of an item is what stands right after it there, round the end of its category:
    any such run of a random order is a random draw, and the item itself is never in it.

    Args:
        category_of_item: ``[n_items]``, 0 where an item has none.
        size: how many items to draw.
    """

    category: Tensor
    members: Tensor
    first: Tensor
    count: Tensor

    def __init__(self, category_of_item: Tensor, size: int) -> None:
        super().__init__()
        self.size = size
        members = torch.nonzero(category_of_item > 0).squeeze(1)
        count = torch.bincount(category_of_item[members], minlength=1)
        self.register_buffer("category", category_of_item, persistent=False)
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("count", count, persistent=False)
        self.register_buffer("first", count.cumsum(0) - count, persistent=False)

    def shuffled(self, generator: torch.Generator | None = None) -> Tensor:
        """A new list: all items that have a category, ``[M]``."""
        device = self.members.device
        noise = torch.rand(
            len(self.members), generator=generator, dtype=torch.float64, device=device
        )
        return self.members[(self.category[self.members] + noise).argsort()]

    def forward(self, shuffled: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Draws of the given items from one list.

        Returns:
            Drawn items ``[U, size]``, 0 where there is none, and the mask of real ones.
        """
        place = torch.zeros_like(self.category)
        place[shuffled] = torch.arange(len(shuffled), device=place.device)
        category = self.category[items].unsqueeze(1)
        first = self.first[category]
        count = self.count[category]
        step = torch.arange(1, self.size + 1, device=place.device)
        mask = step < count
        index = (place[items].unsqueeze(1) - first + step) % count.clamp_min(1) + first
        return shuffled[torch.where(mask, index, 0)] * mask, mask

    def has_fellows(self, items: Tensor) -> Tensor:
        """Whether there is another item of the same category; ``[...] -> [...]``."""
        return self.count[self.category[items]] > 1

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"size={self.size}"
