"""How A2D-MTL compares a session with the candidates (Eq. 21), and what both bring of categories.

A candidate's vector is made in three steps, of which the loss takes the second and a ranking the
third: the item's own (:meth:`Comparison.initial`), with its category's behind it
(:meth:`Comparison.candidates`), as it enters the product (:meth:`Comparison.compared`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.models.a2d.ranking import Encoded


@dataclass(frozen=True)
class Comparison:
    """Cosine or dot product, with or without categories.

    Attributes:
        cosine: divide both vectors by their lengths, and multiply the session's by ``scale``.
        scale: of the cosine.
        categories: what candidates know of theirs: ``none``; ``sum``, added to the item;
            ``prior``, the score gains the logit that Eq. 23 gives it; ``joined``, the session's
            clicks and the candidates are both [item ; category], as in CLHHN.
    """

    cosine: bool
    scale: float
    categories: str

    @classmethod
    def of(cls, config: Any) -> Comparison:
        """As the keys ``score``, ``score_scale`` and ``category_scores`` say."""
        return cls(config["score"] == "cosine", config["score_scale"], config["category_scores"])

    @property
    def ends_in_units(self) -> bool:
        """Whether a loss that divides candidates by their lengths may take them undivided."""
        return self.cosine and self.categories != "prior"

    def initial(self, items: Tensor, of_items: CategoryRows) -> Tensor:
        """Vectors of the items themselves; ``[N + 1, D] -> [N + 1, D]``."""
        return items + of_items.rows() if self.categories == "sum" else items

    def candidates(self, items: Tensor, of_items: CategoryRows) -> Tensor:
        """The same before a cosine divides it by its lengths and a prior follows."""
        return of_items.behind(items) if self.categories == "joined" else items

    def compared(self, candidates: Tensor, of_items: CategoryRows) -> Tensor:
        """What session vectors are multiplied with, ``[N + 1, D or more]``."""
        units = unit_rows(candidates) if self.cosine else candidates
        return of_items.behind(units) if self.categories == "prior" else units

    def session(self, encoded: Encoded) -> Tensor:
        """Session vectors as they enter the product, ``[B, D or more]``."""
        session = encoded.session
        if self.cosine:
            session = self.scale * F.normalize(session.float(), dim=1)
        if self.categories == "prior" and encoded.categories is not None:
            session = torch.cat([session, encoded.categories.state.to(session.dtype)], dim=1)
        return session


@dataclass(frozen=True)
class CategoryRows:
    """Category vectors of all items, looked up where they are asked for.

    Attributes:
        table: category vectors, ``[M + 1, D]``; None without a category part, where
            ``check_switches`` lets nobody ask.
        of_item: category of each item, ``[N + 1]``.
    """

    table: Tensor | None
    of_item: Tensor

    def rows(self) -> Tensor:
        """``[N + 1, D]``."""
        assert self.table is not None
        return F.embedding(self.of_item, self.table)

    def behind(self, items: Tensor) -> Tensor:
        """[item ; category], ``[N + 1, 2 D]``."""
        return torch.cat([items, self.rows().to(items.dtype)], dim=1)
