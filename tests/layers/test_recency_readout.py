"""The readout of MTD against its formula, one row at a time."""

import torch

from recbole_a2d.layers.recency_readout import RecencyReadout

DIM = 6


def plain_readout(layer: RecencyReadout, row: torch.Tensor) -> torch.Tensor:
    """Session vector of one row without pads."""
    length, last = len(row), row[-1]
    projected = [layer.relevance.weight @ click for click in row]
    relevance = torch.stack(
        [layer.score.weight[0] @ torch.sigmoid(projected[-1] * vector) for vector in projected]
    )
    relevant, recent = torch.zeros(DIM), torch.zeros(DIM)
    ages = torch.tensor([-layer.recency * (length - place) for place in range(length)])
    for place in range(length):
        relevant += relevance[place].exp() / relevance.exp().sum() * row[place]
        recent += ages[place].exp() / ages.exp().sum() * row[place]
    return layer.output.weight @ torch.cat([last, relevant, recent])


def test_equals_the_formula() -> None:
    torch.manual_seed(0)
    layer = RecencyReadout(DIM, 0.75)
    clicks, lengths = torch.randn(3, 4, DIM), torch.tensor([4, 1, 2])
    with torch.no_grad():
        got = layer(clicks, lengths)
        for row, length in enumerate(lengths.tolist()):
            expected = plain_readout(layer, clicks[row, :length])
            torch.testing.assert_close(got[row], expected, rtol=1e-4, atol=1e-5)


def test_stronger_recency_leans_on_the_last_click() -> None:
    clicks, lengths = torch.randn(1, 3, DIM), torch.tensor([3])
    weights = [
        RecencyReadout(DIM, recency).ages(clicks, lengths).softmax(-1)[0, -1]
        for recency in (0.0, 0.75, 3.0)
    ]
    assert weights[0] < weights[1] < weights[2]
    torch.testing.assert_close(weights[0], torch.tensor(1 / 3))
