"""Forward and backward of our large pieces, each beside what torch has for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.steps import Step
from recbole_a2d.layers.edge_scores import edge_scores
from recbole_a2d.layers.edges import Edges
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.full_softmax import full_softmax_loss
from recbole_a2d.layers.recurrence import gated_recurrence
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.precision import choose_precision, products_in

ITEMS, EDGES, NODES, CLICKS = 43_027, 31_600, 996, 5
CPU = torch.device("cpu")
Loss = Callable[[], Tensor]


def pieces(batch: int, dim: int) -> dict[str, Step]:
    """All of them at a batch size and a dimension."""
    losses = {
        **recurrences(batch, dim),
        **dropouts(batch, dim),
        **unit_tables(dim),
        **scores_of_edges(dim),
    }
    softmax = {
        name: _backward(loss, of_all=True) for name, loss in softmax_losses(batch, dim).items()
    }
    return softmax | {name: _backward(loss) for name, loss in losses.items()}


def softmax_losses(batch: int, dim: int) -> Mapping[str, Loss]:
    """Cross-entropy over all items."""
    sessions, table = _leaf(batch, dim), _leaf(ITEMS + 1, dim)
    targets = torch.randint(1, ITEMS + 1, (batch,))

    def ours(unit_items: bool) -> Tensor:
        return full_softmax_loss(sessions, table, targets, unit_items=unit_items)

    def cross_entropy() -> Tensor:
        return F.cross_entropy(F.linear(sessions, table[1:]), targets - 1)

    def linear_cross_entropy(chunked: bool) -> Tensor:
        options = torch.nn.LinearCrossEntropyOptions() if chunked else None
        return F.linear_cross_entropy(sessions, table[1:], targets - 1, options=options)

    losses: dict[str, Loss] = {
        "softmax loss": lambda: ours(False),
        "F.linear + F.cross_entropy": cross_entropy,
        "F.linear_cross_entropy": lambda: linear_cross_entropy(False),
        "F.linear_cross_entropy, chunked": lambda: linear_cross_entropy(True),
        "softmax loss, cosine": lambda: ours(True),
    }
    return losses


def recurrences(batch: int, dim: int) -> Mapping[str, Loss]:
    """A GRU over a few clicks, whose inputs are a category, a position and a length."""
    categories, inputs = _leaf(batch, CLICKS, dim), _leaf(batch, CLICKS, 3 * dim)
    gru = torch.nn.GRU(3 * dim, dim, batch_first=True)
    of = dict(gru.named_parameters())
    of_category, of_position, of_length = of["weight_ih_l0"].chunk(3, dim=1)

    def by_parts() -> Tensor:
        multiplied = F.linear(categories, of_category) + F.linear(inputs[0, :, :dim], of_position)
        multiplied = multiplied + F.linear(inputs[:, :1, :dim], of_length, of["bias_ih_l0"])
        turned = multiplied.transpose(0, 1)
        return gated_recurrence(turned, of["weight_hh_l0"], of["bias_hh_l0"]).sum()

    return {
        f"GRU of {CLICKS} clicks, inputs [c; position; length]": by_parts,
        "the same by torch.nn.GRU": lambda: gru(inputs)[0].sum(),
    }


def dropouts(batch: int, dim: int) -> Mapping[str, Loss]:
    """Dropout on clicks."""
    clicks, ours = _leaf(batch, CLICKS, dim), FastDropout(0.3)
    return {
        "dropout": lambda: ours(clicks).sum(),
        "F.dropout": lambda: F.dropout(clicks, 0.3).sum(),
    }


def unit_tables(dim: int) -> Mapping[str, Loss]:
    """A table of all items divided by their lengths."""
    table = _leaf(ITEMS + 1, dim)
    weights = table.detach()
    return {
        "unit rows": lambda: (unit_rows(table) * weights).sum(),
        "F.normalize": lambda: (F.normalize(table, dim=1) * weights).sum(),
    }


def scores_of_edges(dim: int) -> Mapping[str, Loss]:
    """Eq. 4 along the edges of a category graph."""
    centers, neighbors, u, a = _leaf(NODES, dim), _leaf(NODES, dim), _leaf(dim), _leaf(dim)
    center, neighbor = torch.randint(NODES, (2, EDGES)).unbind()
    order, weights = neighbor.argsort(), torch.rand(EDGES)
    edges = Edges(center.sort().values, neighbor, weights, NODES, NODES, by_neighbor=order)

    def by_autograd() -> Tensor:
        hidden = centers[edges.center] + neighbors[edges.neighbor] + edges.weights.unsqueeze(1) * u
        return (F.leaky_relu(hidden, 0.2) @ a).sum()

    def ours() -> Tensor:
        return edge_scores(centers, neighbors, edges, u, a, 0.2).sum()

    return {f"{EDGES:,} edge scores": ours, "the same by autograd": by_autograd}


def _leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


def _backward(loss: Loss, *, of_all: bool = False) -> Step:
    """Both passes; a loss over all items in the precision that training takes for it here."""
    precision = choose_precision("auto", CPU) if of_all else torch.float32

    def step() -> None:
        with products_in(precision):
            loss().backward()

    return step
