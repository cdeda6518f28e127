"""Expected returns against sums written out."""

from __future__ import annotations

import pytest
import torch

from recbole_a2d.layers.return_report import own_mass, return_report

PREFIXES = torch.tensor([[3, 1, 3], [2, 0, 0], [0, 0, 0]])


def test_own_mass_counts_every_item_once_and_no_pad() -> None:
    torch.manual_seed(0)
    probabilities = torch.rand(3, 4)
    probabilities[:, 1:] /= probabilities[:, 1:].sum(1, keepdim=True)
    found = own_mass(probabilities.log() + torch.tensor([[5.0], [-3.0], [0.0]]), PREFIXES)
    first, second, _ = probabilities.tolist()
    torch.testing.assert_close(found, torch.tensor([first[3] + first[1], second[2], 0.0]))


def test_report() -> None:
    masses = [torch.tensor([0.5, 0.25]), torch.tensor([0.0])]
    report = return_report(masses, PREFIXES, torch.tensor([1, 3, 0]))
    assert report == {"returns": pytest.approx(1 / 3, abs=1e-6), "expected_returns": 0.25}


def test_no_rows_tell_nothing() -> None:
    assert return_report([], PREFIXES[:0], torch.zeros(0, dtype=torch.long)) == {}
