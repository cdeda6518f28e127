r"""Counts of training sessions set beside a model's answer, with the weight they have earned.

Each kind of evidence e (sequential rules, votes of similar sessions) gives an item i the weight
n_e(i) and all items together n_e:

.. math:: p(i) = (1 - \sum_e g_e \frac{n_e}{n_e + \kappa_e}) p_{model}(i)
                 + \sum_e g_e \frac{n_e(i)}{n_e + \kappa_e}

A rule seen twice says little, one seen a hundred times much: the pseudo-counts kappa are learned,
and the weights g of each session, which are a softmax, from what the model knows of it.

The model learns as it would without, and kappa and g learn from what it says. Learned by one loss,
what the counts explain already would teach the model nothing, and it is the model that has to
answer where they are silent. None of it is in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from recbole_a2d.data.rows import PrefixRows
from recbole_a2d.models.neighbours.evidence import Evidence

_LEAST = 1e-30
"""Stands for a weight of zero, whose logarithm has no gradient."""


class Memory(nn.Module):
    """Evidence of training sessions, its weight beside the model, and the loss that learns it.

    Args:
        evidence: kinds of it, E in all.
        size: of the vectors that tell g, taken together.
        hidden: size of the layer between.
    """

    def __init__(self, evidence: Iterable[Evidence], size: int, hidden: int) -> None:
        super().__init__()
        self.evidence = nn.ModuleList(evidence)
        self.log_kappa = nn.Parameter(torch.zeros(len(self.evidence)))
        gates = nn.Linear(hidden, 1 + len(self.evidence))
        self.gate = nn.Sequential(nn.Linear(size, hidden), nn.Tanh(), gates)

    @property
    def titles(self) -> list[str]:
        """Of each evidence, for people."""
        return [one.title for one in self._each()]

    def log_shares(self, *vectors: Tensor) -> Tensor:
        """Log of g, the model's own first; the vectors themselves learn nothing from it.

        Shapes: ``[B, d]`` each -> ``[B, 1 + E]``.
        """
        logits: Tensor = self.gate(torch.cat(vectors, dim=1).detach())
        return logits.float().log_softmax(1)

    def target_weights(self, rows: PrefixRows) -> Tensor:
        """n_e of each training row's target and n_e, by earlier sessions; ``[rows, E, 2]``."""
        return torch.stack([one.target_weights(rows) for one in self._each()], dim=1)

    def loss(self, losses: Tensor, log_shares: Tensor, of_rows: Tensor) -> Tensor:
        """Mean cross-entropy of model and evidence together, for kappa and g alone.

        Args:
            losses: cross-entropy of the model by itself, ``[B]``.
            log_shares: ``[B, 1 + E]``.
            of_rows: rows of :meth:`target_weights`, ``[B, E, 2]``.
        """
        weights, sums = of_rows.unbind(2)
        of_evidence = log_shares[:, 1:] + _log_smoothed(weights, sums, self.log_kappa)
        of_model = self._log_model_share(log_shares, sums) - losses.detach()
        return -torch.logaddexp(of_model, of_evidence.logsumexp(1)).mean()

    def add_to(
        self,
        scores: Tensor,
        constant: Tensor,
        log_shares: Tensor,
        prefixes: Tensor,
        lengths: Tensor,
    ) -> Tensor:
        """Add the evidence to the model's scores of all items, in place.

        Args:
            scores: log-probabilities plus a constant of each row, ``[B, N + 1]``.
            constant: ``[B]``.
            log_shares: ``[B, 1 + E]``.
            prefixes, lengths: ``[B, T]`` and ``[B]``.
        """
        found = [one.weights(prefixes, lengths).tocoo() for one in self._each()]
        totals = _sums(found).to(scores)
        odds = constant - self._log_model_share(log_shares, totals)
        for number, entries in enumerate(found):
            row, item, weights = (
                torch.from_numpy(one).to(scores.device)
                for one in (entries.row, entries.col, entries.data)
            )
            smoothed = _log_smoothed(
                weights.to(scores), totals[row, number], self.log_kappa[number]
            )
            raised = smoothed + (log_shares[:, 1 + number] + odds)[row]
            scores[row, item] = torch.logaddexp(scores[row, item], raised)
        return scores

    def shares(self, log_shares: Tensor, prefixes: Tensor, lengths: Tensor) -> Tensor:
        """How much of the answer is the model's and each evidence's, ``[B, 1 + E]``.

        That is g of the evidence less what its pseudo-count leaves to the model; arguments as for
        :meth:`add_to`.
        """
        sums = _sums([one.weights(prefixes, lengths) for one in self._each()]).to(log_shares)
        of_evidence = (log_shares[:, 1:] + _log_smoothed(sums, sums, self.log_kappa)).exp()
        return torch.cat([1 - of_evidence.sum(1, keepdim=True), of_evidence], dim=1)

    def _log_model_share(self, log_shares: Tensor, sums: Tensor) -> Tensor:
        """Log of what is left to the model; ``[B, 1 + E]``, ``[B, E]`` -> ``[B]``."""
        unseen = _log_smoothed(self.log_kappa.exp(), sums, self.log_kappa)
        return torch.cat([log_shares[:, :1], log_shares[:, 1:] + unseen], dim=1).logsumexp(1)

    def _each(self) -> Iterator[Evidence]:
        for evidence in self.evidence:
            assert isinstance(evidence, Evidence)
            yield evidence


def _sums(weights: list[csr_matrix]) -> Tensor:
    """Sums of the rows of each; ``E`` of ``[B, N + 1]`` -> ``[B, E]``."""
    return torch.from_numpy(np.stack([np.asarray(one.sum(axis=1)).ravel() for one in weights], 1))


def _log_smoothed(weights: Tensor, sums: Tensor, log_kappa: Tensor) -> Tensor:
    """log(weight / (sum + kappa)); the shapes of weights and sums, broadcast."""
    return weights.clamp_min(_LEAST).log() - (sums + log_kappa.exp()).log()
