"""Training steps: the floor and our models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.data import experiment_data, settings
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.experiment import build_model
from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.layers.masking import masked_mean, prefix_mask
from recbole_a2d.precision import products_in
from recbole_a2d.trainer import SessionTrainer, loader

Step = Callable[[], object]


class PlainFloor(nn.Module):
    """What no model that scores all items can do without, as anyone writes it with torch.

    Gather, mean, score all items, cross-entropy. The pad is scored as well, as in RecBole's models:
    leaving it out would cost a copy of the table's gradient.
    """

    def __init__(self, n_items: int, dim: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, dim, padding_idx=0)
        nn.init.uniform_(self.items.weight, -(dim**-0.5), dim**-0.5)

    def calculate_loss(self, batch: Any) -> Tensor:
        """Cross-entropy over all items, scalar."""
        scores = F.linear(_mean(batch, self.items), self.items.weight)
        return F.cross_entropy(scores, batch["item_id"])


class Floor(PlainFloor):
    """The same with this project's loss and look-ups, so that every gain there lowers it too."""

    def calculate_loss(self, batch: Any) -> Tensor:
        """Cross-entropy over all items, scalar."""
        items = ItemVectors(self.items.weight)
        return full_softmax_loss(_mean(batch, items.rows), items.table, batch["item_id"])


def _mean(batch: Any, vectors: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean vector of each prefix's clicks, ``[B, D]``."""
    prefixes, lengths = batch["item_id_list"], batch["item_length"]
    return masked_mean(vectors(prefixes), prefix_mask(lengths, prefixes.shape[1]))


def step_of(model: nn.Module, config: Any, dataset: SessionDataset) -> Step:
    """One training step of a model through our trainer, loading of the batch included."""
    trainer = SessionTrainer(config, model)
    batches = _forever(loader(dataset.train_rows, config, train=True))
    trainer._prepare(0)
    model.train()
    # Torch's own functions do not know our large products; a floor has no others.
    precision = trainer.dtype if isinstance(model, PlainFloor) else torch.float32

    def step() -> None:
        with products_in(precision):
            trainer._step(next(batches), trainer.calculate_loss)

    return step


def floor_step(folder: Path, floor: type[PlainFloor] = Floor, /, **changes: Any) -> Step:
    """A floor at this batch size, dimension and precision."""
    config = settings(folder, "A2DMTL", **changes)
    dataset = experiment_data(folder, config).select
    torch.manual_seed(0)
    return step_of(floor(dataset.n_items, config["embedding_size"]), config, dataset)


def model_step(folder: Path, model: str, **changes: Any) -> Step:
    """A step of one of our models."""
    config = settings(folder, model, **changes)
    dataset = experiment_data(folder, config).select
    return step_of(build_model(config, model, dataset), config, dataset)


def _forever(batches: Any) -> Iterator[Any]:
    while True:
        yield from batches
