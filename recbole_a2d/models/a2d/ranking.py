"""Scores of all items for a batch of prefixes that A2D-MTL has read."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recbole_a2d.layers.answer_mixture import Mixed
from recbole_a2d.layers.category_encoder import CategoryView
from recbole_a2d.layers.full_softmax import all_scores
from recbole_a2d.layers.log_partition import FixedScores, log_sums
from recbole_a2d.layers.sparse_attention import ReadSession
from recbole_a2d.models.a2d.answers import Answers
from recbole_a2d.models.a2d.memory import Memory


@dataclass
class Encoded:
    """What the model makes of a batch of prefixes.

    Attributes:
        session: session vectors of Eq. 20, ``[B, D]``; with those of the clicks' categories behind,
            ``[B, 2D]``, where candidates have theirs.
        categories: None without a category part.
        read: the sparse attention's result; None where it is replaced by the mean.
        mask: clicks, not pads, ``[B, T]``.
        mixed: the parts of the answer; None where the softmax over all items is all of it.
        memory: log of the weights of answer and memory, ``[B, 1 + E]``, if there is any.
        trends: what recent clicks add to the scores, if they do.
    """

    session: Tensor
    categories: CategoryView | None
    read: ReadSession | None
    mask: Tensor
    mixed: Mixed | None = None
    memory: Tensor | None = None
    trends: FixedScores | None = None


@dataclass(frozen=True)
class BatchScorer:
    """A :data:`~recbole_a2d.scoring.Scorer`: the softmax, the other answers, then the memory.

    Attributes:
        encoded: the batch as the model has read it.
        vectors, table: sessions ``[B, D]`` and items ``[N + 1, D]``, whose products are the
            softmax's scores (Eq. 21).
        prefixes, lengths: ``[B, T]`` and ``[B]``.
        answers: parts beside the softmax, if any.
        memory: counts beside all of them, if any.
        log_categories: log-probabilities of the next category, ``[B, M + 1]``, where an answer
            needs them.
    """

    encoded: Encoded
    vectors: Tensor
    table: Tensor
    prefixes: Tensor
    lengths: Tensor
    answers: Answers | None
    memory: Memory | None
    log_categories: Tensor | None

    def __call__(self, rows: slice) -> Tensor:
        """Scores of all items for some of the batch's rows, ``[rows, N + 1]``."""
        scores, constant = self._mixed(all_scores(self.vectors[rows], self.table), rows)
        log_shares = self.encoded.memory
        if self.memory is None or log_shares is None:
            return scores
        if constant is None:
            scores, constant = self._as_logarithms(scores)
        prefixes, lengths = self.prefixes[rows], self.lengths[rows]
        return self.memory.add_to(scores, constant, log_shares[rows], prefixes, lengths)

    def _mixed(self, scores: Tensor, rows: slice) -> tuple[Tensor, Tensor | None]:
        """The softmax mixed with the other answers, and the rows' constants: see Answers.mix."""
        if self.answers is None or self.encoded.mixed is None:
            return scores, None
        return self.answers.mix(
            scores,
            self.encoded.mixed.of(rows),
            self.prefixes[rows],
            self.lengths[rows],
            self.encoded.mask[rows],
            None if self.log_categories is None else self.log_categories[rows],
        )

    def _as_logarithms(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities plus a constant of each row, ``[B]``; may overwrite the scores."""
        if self.encoded.mixed is None:
            return scores, log_sums(scores)
        return scores.log_(), scores.new_zeros(len(scores))
