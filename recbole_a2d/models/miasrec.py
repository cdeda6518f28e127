"""MiaSRec: every click of a session is an intent, and the best matching ones score an item."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.errors import UserError, WrongValue
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.frequency_embedding import FrequencyEmbedding
from recbole_a2d.layers.highway import Highway
from recbole_a2d.layers.intent_selection import IntentSelection
from recbole_a2d.layers.intent_softmax import intent_scores, intent_softmax_loss
from recbole_a2d.layers.item_embedding import ItemEmbedding
from recbole_a2d.layers.level_pooling import last_clicks
from recbole_a2d.layers.masking import masked_mean, prefix_mask
from recbole_a2d.layers.self_attention import FeedForward, SelfAttention, readable, run_blocks
from recbole_a2d.layers.unit_rows import unit_rows
from recbole_a2d.models.full_ranking import FullRanking, one_of, whole_number
from recbole_a2d.models.heads import dividing_heads
from recbole_a2d.scoring import Scorer

_WHOLE_SESSION = -1
"""Stands for the mean of the session where item ids are counted; no item has it."""


class MiaSRec(FullRanking):
    """Multi-intent-aware session-based recommendation (Choi et al., SIGIR 2024).

    The mean of the session and each of its clicks, latest first, pass a transformer; each
    output is an intent. An item's score mixes its best cosine over the kept intents with
    their mean.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        dim = whole_number(config, "embedding_size", 1)
        self.max_length = dataset.max_length
        self.item_embedding = ItemEmbedding(self.n_items, dim, padding_idx=0)
        self.position = nn.Embedding(self.max_length + 1, dim)
        self.frequency = FrequencyEmbedding(dim, whole_number(config, "max_repeat", 1))
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.attentions, self.feed_forwards = _blocks(config, dim)
        self.highway = Highway(dim)
        self.selection = IntentSelection(dim, _alpha(config))
        self.weigh_intents = one_of(config, "importance", ("gate", "weight")) == "weight"
        self.beta = config["beta_logit"]
        self.temperature = config["temperature"]
        self.hidden_dropout = FastDropout(config["hidden_dropout_prob"])
        self.session_dropout = FastDropout(config["sess_dropout"])
        self.item_dropout = FastDropout(config["item_dropout"])
        self._reset_parameters(dim, config["initializer_range"])

    def _reset_parameters(self, dim: int, spread: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=spread)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=spread)
        nn.init.uniform_(self.item_embedding.weight, -(dim**-0.5), dim**-0.5)
        self.zero_pad_row()

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> tuple[Tensor, Tensor]:
        """Intents and their importance, that of the whole session first.

        Shapes: item_seq ``[B, T]``, item_seq_len ``[B]`` -> unit vectors ``[B, T + 1, D]`` and
        weights ``[B, T + 1]`` that sum to 1, 0 on pads and on pruned intents.
        """
        mask = prefix_mask(item_seq_len + 1, item_seq.shape[1] + 1)
        items, inputs = self._inputs(item_seq, item_seq_len, mask)
        hidden = self._placed(items, inputs)
        allowed = readable(mask, causal=False)
        hidden = run_blocks(self.attentions, self.feed_forwards, hidden, allowed)
        intents = self.highway(inputs, hidden).float()
        return F.normalize(intents, dim=-1), self.selection(intents, mask)

    def _inputs(self, item_seq: Tensor, lengths: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Item ids with the whole session's in front, latest click next, and their vectors."""
        latest_first = last_clicks(item_seq.unsqueeze(-1), lengths, item_seq.shape[1]).squeeze(-1)
        items = F.pad(latest_first, (1, 0), value=_WHOLE_SESSION)
        clicks = self.item_embedding(latest_first)
        mean = masked_mean(clicks, mask[:, 1:])
        return items, self.session_dropout(torch.cat([mean.unsqueeze(1), clicks], dim=1))

    def _placed(self, items: Tensor, inputs: Tensor) -> Tensor:
        steps = torch.arange(items.shape[1], device=items.device).clamp_max(self.max_length)
        placed = inputs + self.position(steps) + self.frequency(items)
        normed: Tensor = self.hidden_dropout(self.norm(placed.float()))
        return normed

    def candidates(self) -> Tensor:
        """Unit item vectors, features dropped before normalising, ``[n_items, D]``."""
        return unit_rows(self.item_dropout(self.item_embedding.candidates))

    def score_parts(self, interaction: Interaction) -> tuple[Tensor, Tensor, Tensor]:
        """Intents, which are kept, and base vector: the score is the best dot product + base's.

        Shapes: ``[B, T + 1, D]``, ``[B, T + 1]``, ``[B, D]``.
        """
        intents, importance = self.forward(
            interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        )
        kept = importance > 0
        if self.weigh_intents:
            mean = torch.bmm(importance.unsqueeze(1), intents).squeeze(1)
        else:
            mean = masked_mean(intents, kept)
        scale = 1 / self.temperature
        return self.beta * scale * intents, kept, (1 - self.beta) * scale * mean

    def loss(self, interaction: Interaction) -> Tensor:
        """Mean cross-entropy over all items, scalar."""
        parts = self.score_parts(interaction)
        return intent_softmax_loss(*parts, self.candidates(), interaction[self.POS_ITEM_ID])

    def scorer(self, interaction: Interaction) -> Scorer:
        """What scores all items for some of the batch's rows; column 0 means nothing."""
        (intents, kept, base), candidates = self.score_parts(interaction), self.candidates()
        return lambda rows: intent_scores(intents[rows], kept[rows], base[rows], candidates)


def _alpha(config: Any) -> float | None:
    value = config["entmax_alpha"]
    if value == "learned":
        if config["importance"] == "gate":
            raise UserError(
                "entmax_alpha: learned gets no gradient with importance: gate; "
                "set importance: weight"
            )
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (value != -1 and not 1 < value <= 2):
        raise WrongValue("entmax_alpha", value, "a number above 1 and at most 2, -1 or learned")
    return float(value)


def _blocks(config: Any, dim: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    hidden, weights = config["hidden_dropout_prob"], config["attn_dropout_prob"]
    heads, inner = dividing_heads(config, "n_heads", dim), whole_number(config, "inner_size", 1)
    count = whole_number(config, "n_layers", 1)
    attentions = [SelfAttention(dim, heads, weights, output_dropout=hidden) for _ in range(count)]
    feed_forwards = [FeedForward(dim, inner, hidden) for _ in range(count)]
    return nn.ModuleList(attentions), nn.ModuleList(feed_forwards)
