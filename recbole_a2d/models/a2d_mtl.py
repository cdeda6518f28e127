"""A2D-MTL: attribute association driven multi-task learning for session-based recommendation.

Wang et al., the paper this project implements; equation numbers refer to it. Where the
paper leaves a choice open, a config key makes it: ``properties/model/A2DMTL.yaml`` lists
them, ``docs/differences.md`` gives the reasons.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.graphs import own_transition_counts
from recbole_a2d.layers.answer_mixture import Mixed
from recbole_a2d.layers.category_encoder import CategoryView, category_loss
from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.full_softmax import TargetMixture, full_softmax_losses, softmax_bce_loss
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.layers.log_partition import FixedScores
from recbole_a2d.layers.masking import last_click, masked_mean, prefix_mask
from recbole_a2d.layers.sampled_softmax import sampled_softmax_loss
from recbole_a2d.layers.session_bank import BatchBank, TrainingSessionBank
from recbole_a2d.models.a2d import parts
from recbole_a2d.models.a2d.comparison import CategoryRows, Comparison
from recbole_a2d.models.a2d.diagnosis import diagnose
from recbole_a2d.models.a2d.ranking import BatchScorer, Encoded
from recbole_a2d.models.a2d.switches import check_switches
from recbole_a2d.models.full_ranking import ScoresAllItems
from recbole_a2d.scoring import Scorer


class A2DMTL(ScoresAllItems):
    """The model, with a switch for every open reading.

    Config keys: see ``properties/model/A2DMTL.yaml``; variants: ``properties/variant/``.

    Raises:
        UserError: a switch has a value it does not know.
    """

    uses_categories = True
    check_settings = staticmethod(check_switches)

    def __init__(self, config: Any, dataset: SessionDataset) -> None:
        super().__init__(config, dataset)
        check_switches(config)
        self.switches = config
        self.dim = config["embedding_size"]
        self.comparison = Comparison.of(config)
        # The loss itself can divide the item vectors by their lengths, in fewer passes.
        self.unit_items = config["loss"] == "ce" and self.comparison.ends_in_units
        self.item_embedding = nn.Embedding(dataset.n_items, self.dim, padding_idx=0)
        self.register_buffer("category_of_item", torch.from_numpy(dataset.category_of_item))
        self.category = parts.category_encoder(config, dataset)
        self.merged_embedding = self.merge = None
        if config["categories"] == "merged":
            self.merged_embedding = nn.Embedding(dataset.n_categories, self.dim, padding_idx=0)
            self.merge = nn.Linear(2 * self.dim, self.dim)
        self.item_graph = parts.item_graph_encoder(config, dataset)
        if self.item_graph is not None and config["graph_exclude_self"]:
            own = own_transition_counts(
                dataset.train_rows,
                config["graph_direction"],
                keep_self=config["keep_self_transitions"],
            )
            self.register_buffer("own_counts", torch.from_numpy(own), persistent=False)
        self.reader = parts.session_reader(config, dataset)
        self.with_last = None
        if config["readout"] == "with_last":
            self.with_last = nn.Linear(2 * self.dim, self.dim)
        self.bank = parts.session_bank(config, dataset)
        self.answers = parts.answers(config, dataset)
        self.memory = parts.memory(config, dataset)
        self._memory_learns = True
        self.train_rows = dataset.train_rows
        self.sampler = parts.candidate_sampler(config, dataset)
        self.trends = parts.item_trends(config, dataset)
        self.dropout = FastDropout(config["embedding_dropout"])
        # Made once for a ranking: the tables, and all items as clicks (item graph included).
        self._ranking_tables: tuple[Tensor | None, Tensor, Tensor] | None = None
        self._kept_clicks: Tensor | None = None
        self.register_load_state_dict_post_hook(_forget_ranking_tables)
        self.reset_parameters()

    @property
    def sparse_parameters(self) -> list[Tensor]:
        """Parameters whose gradient holds a few rows alone, for an optimizer that knows how."""
        return [] if self.sampler is None else [self.item_embedding.weight]

    def reset_parameters(self) -> None:
        """Uniform in +-1/sqrt(D), the lineage's habit; norms, pads and trends as they are made."""
        bound = self.dim**-0.5
        for name, parameter in self.named_parameters():
            if "norm" not in name and not name.startswith("trends."):
                nn.init.uniform_(parameter, -bound, bound)
        for module in self.modules():
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])

    # ---------------------------------------------------------------- representations

    def category_table(self) -> Tensor | None:
        """Fused category vectors (Eq. 5), ``[M + 1, D]``; None without a category part."""
        return None if self.category is None else self.category.table()

    def item_table(self, categories: Tensor | None) -> Tensor:
        """Initial item vectors, ``[N + 1, D]``, categories from :meth:`category_table`.

        With the category merged in for w/o EXP, and added for ``category_scores: sum``.
        """
        table = self.item_embedding.weight
        if self.merge is not None and self.merged_embedding is not None:
            of_item = self.merged_embedding(self.category_of_item)
            return self.merge(torch.cat([table, of_item], dim=1)).to(table.dtype)
        return self.comparison.initial(table, self._of_items(categories))

    def _of_items(self, categories: Tensor | None) -> CategoryRows:
        return CategoryRows(categories, self.category_of_item)

    def encode(
        self,
        interaction: Interaction,
        categories: Tensor | None,
        table: ItemVectors,
        *,
        inspect: bool = False,
    ) -> Encoded:
        """Session vectors (Eq. 3-20) of a batch of prefixes.

        Args:
            interaction: the batch.
            categories, table: of :meth:`category_table` and :meth:`item_table`.
            inspect: keep what :func:`attention_report` needs.
        """
        prefixes, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        mask = prefix_mask(lengths, prefixes.shape[1])
        view = None
        if self.category is not None and categories is not None:
            view = self.category(categories, self.category_of_item[prefixes], lengths, mask)
        clicks = self.dropout(self._encode_clicks(interaction, table))
        values = self._values(prefixes, clicks, table, view)
        if self.reader is None:
            read, summary = None, masked_mean(values, mask)
        else:
            mean = None if view is None else view.mean
            read = self.reader(clicks, values, lengths, mask, mean, inspect=inspect)
            summary = read.session
        session, of_categories = summary.tensor_split([self.dim], dim=1)
        if self.with_last is not None:
            session = self.with_last(torch.cat([session, last_click(clicks, lengths)], dim=1))
        if self.bank is not None:
            met = self.dropout(table.rows(prefixes)) if self._bank_without_graph else clicks
            session = session + self._neighbors(interaction, masked_mean(met, mask))
        mixed, memory = self._beside(prefixes, lengths, mask, clicks, session, view)
        if of_categories.shape[1]:
            session = torch.cat([session, of_categories], dim=1)
        trends = self._trends_of(interaction[self.USER_ID])
        return Encoded(session, view, read, mask, mixed, memory, trends)

    def _trends_of(self, sessions: Tensor) -> FixedScores | None:
        """What recent clicks add to the scores of sessions; a ranked one comes after all slices."""
        if self.trends is None:
            return None
        known, later = self.trends.of_training, self.trends.of_later
        weights = known(sessions) if self.training else later(len(sessions))
        return FixedScores(weights, self.trends.features)

    def _beside(
        self,
        prefixes: Tensor,
        lengths: Tensor,
        mask: Tensor,
        clicks: Tensor,
        session: Tensor,
        view: CategoryView | None,
    ) -> tuple[Mixed | None, Tensor | None]:
        """Weights of what stands beside the softmax: the other answers, and the memory."""
        states = (session,) if view is None else (session, view.state)
        mixed = memory = None
        if self.answers is not None:
            of_click = (clicks,) if view is None else (clicks, view.of_click)
            mixed = self.answers.mixture(prefixes, lengths, mask, of_click, states)
        if self.memory is not None and (self._memory_learns or not self.training):
            memory = self.memory.log_shares(*states, last_click(clicks, lengths))
        return mixed, memory

    def _encode_clicks(self, interaction: Interaction, table: ItemVectors) -> Tensor:
        prefixes, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        if self.item_graph is None:
            return table.rows(prefixes)
        if self._kept_clicks is not None:
            return F.embedding(prefixes, self._kept_clicks)
        if not (self.training and self.switches["graph_exclude_self"]):
            return self.item_graph(table, prefixes, lengths)
        own = self.own_counts[interaction["row_id"]]
        return self.item_graph(table, prefixes, lengths, interaction[self.POS_ITEM_ID], own)

    def _values(
        self, prefixes: Tensor, clicks: Tensor, table: ItemVectors, view: CategoryView | None
    ) -> Tensor:
        """What Eq. 15 sums up, ``[B, T, D]``, or ``[B, T, 2D]`` where categories stand beside."""
        values = clicks
        kind = self.switches["attention_values"] if self.reader is not None else "item"
        if kind == "initial_item":
            values = table.rows(prefixes)
        elif kind == "item_category" and view is not None:
            values = clicks + view.of_click
        if self.switches["category_scores"] == "joined" and view is not None:
            values = torch.cat([values, view.of_click.to(values.dtype)], dim=2)
        return values

    def _neighbors(self, interaction: Interaction, query: Tensor) -> Tensor:
        assert self.bank is not None
        sessions = interaction[self.USER_ID]
        if isinstance(self.bank, BatchBank):
            return self.bank(query, sessions)
        return self.bank(query, sessions if self.training else None)

    @torch.no_grad()
    def on_epoch_start(self, epoch: int) -> None:
        """Refresh the session bank; the trainer calls it before each epoch and each ranking.

        From the second epoch on the model knows the training rows and seems to need no memory.
        """
        self._ranking_tables = self._kept_clicks = None
        self._memory_learns = epoch == 0 or self.switches["memory_learns"] == "always"
        if isinstance(self.bank, TrainingSessionBank):
            initial = self._bank_without_graph
            table = self.item_table(self.category_table()) if initial else self.item_vectors()
            self.bank.refresh(table)

    @property
    def _bank_without_graph(self) -> bool:
        """Whether sessions are compared and mixed by initial item vectors.

        Other sessions hold a row's last click too. Seen through the graph it would bring along the
        row's target, by the edge that ``graph_exclude_self`` leaves out of the row's own clicks.
        """
        return bool(self.switches["graph_exclude_self"])

    @torch.no_grad()
    def item_vectors(self, chunk: int = 8192) -> Tensor:
        """All items through the item graph, ``[N + 1, D]``."""
        table = self.item_table(self.category_table())
        if self.item_graph is None:
            return table
        items, vectors = torch.arange(len(table), device=table.device), ItemVectors(table)
        return torch.cat([self.item_graph.encode(vectors, part) for part in items.split(chunk)])

    # ---------------------------------------------------------------- scores and loss

    def score_table(self, categories: Tensor | None, table: Tensor) -> Tensor:
        """What :meth:`score_vectors` are multiplied with (Eq. 21), ``[N + 1, D or more]``."""
        table = self._compared(categories, table)
        return table if self.trends is None else torch.cat([table, self.trends.features], dim=1)

    def _compared(self, categories: Tensor | None, table: Tensor) -> Tensor:
        """The same without the items' trends, which are no vectors."""
        candidates = self._candidates(categories, table)
        return self.comparison.compared(candidates, self._of_items(categories))

    def _candidates(self, categories: Tensor | None, table: Tensor) -> Tensor:
        """The same before a cosine divides it by its lengths and a prior follows."""
        if self.switches["score_table"] == "graph" and self.item_graph is not None:
            items = torch.arange(len(table), device=table.device)
            table = self.item_graph.encode(ItemVectors(table), items)
        return self.comparison.candidates(table, self._of_items(categories))

    def score_vectors(self, encoded: Encoded) -> Tensor:
        """Session vectors as they enter the product of Eq. 21, ``[B, D or more]``."""
        vectors = self.comparison.session(encoded)
        if encoded.trends is None:
            return vectors
        return torch.cat([vectors, encoded.trends.weights], dim=1)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Item loss + lambda * category loss (Eq. 22-25)."""
        categories = self.category_table()
        vectors = ItemVectors(self.item_table(categories), sparse=self.sampler is not None)
        encoded = self.encode(interaction, categories, vectors)
        of_category = self._log_categories(encoded)
        loss = self._item_loss(interaction, encoded, of_category, categories, vectors)
        if of_category is None:
            return loss
        targets = self.category_of_item[interaction[self.POS_ITEM_ID]]
        return loss + self.switches["category_weight"] * category_loss(of_category, targets)

    def _log_categories(self, encoded: Encoded) -> Tensor | None:
        if self.category is None or encoded.categories is None:
            return None
        return self.category.log_probabilities(encoded.categories)

    def _item_loss(
        self,
        interaction: Interaction,
        encoded: Encoded,
        of_category: Tensor | None,
        categories: Tensor | None,
        items: ItemVectors,
    ) -> Tensor:
        targets, unit = interaction[self.POS_ITEM_ID], self.unit_items
        if self.switches["loss"] == "bce_softmax":
            table = self.score_table(categories, items.table)
            return softmax_bce_loss(self.score_vectors(encoded), table, targets)
        session = self.comparison.session(encoded)
        mixture = self._target_mixture(interaction, encoded, of_category)
        if self.sampler is not None:
            drawn = self.sampler.draw()
            return sampled_softmax_loss(session, items, targets, drawn, mixture, unit_items=unit)
        table = (self._candidates if unit else self._compared)(categories, items.table)
        new_only = self.answers is not None and self.answers.new_only
        loss, losses = full_softmax_losses(
            session,
            table,
            targets,
            mixture,
            unit_items=unit,
            fixed=encoded.trends,
            left_out=interaction[self.ITEM_SEQ] if new_only else None,
        )
        return loss + self._memory_loss(interaction, encoded, losses)

    def _memory_loss(
        self, interaction: Interaction, encoded: Encoded, losses: Tensor
    ) -> Tensor | float:
        """What the memory's weights learn from; 0 without any, or where they learn no more."""
        if self.memory is None or encoded.memory is None:
            return 0.0
        of_rows = self._memory_of_rows[interaction["row_id"].cpu()].to(losses.device)
        return self.memory.loss(losses, encoded.memory, of_rows)

    @cached_property
    def _memory_of_rows(self) -> Tensor:
        """What earlier sessions say of each training row; training alone asks."""
        assert self.memory is not None
        return self.memory.target_weights(self.train_rows)

    def _target_mixture(
        self, interaction: Interaction, encoded: Encoded, of_category: Tensor | None
    ) -> TargetMixture | None:
        if self.answers is None or encoded.mixed is None:
            return None
        return self.answers.of_targets(
            encoded.mixed,
            interaction[self.ITEM_SEQ],
            interaction[self.POS_ITEM_ID],
            interaction["row_id"],
            of_category,
        )

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items, ``[B, N + 1]``.

        Where the answer is a mixture they are probabilities, or their logarithms up to a constant
        of each row where the session's own items are its only other part.
        """
        return self.scorer(interaction)(slice(None))

    def scorer(self, interaction: Interaction) -> Scorer:
        """What makes those scores for some of the batch's rows."""
        categories, table, score_table = self.tables()
        encoded = self.encode(interaction, categories, ItemVectors(table))
        answers = self.answers
        return BatchScorer(
            encoded,
            self.score_vectors(encoded),
            score_table,
            interaction[self.ITEM_SEQ],
            interaction[self.ITEM_SEQ_LEN],
            answers,
            self.memory,
            self._log_categories(encoded) if answers and answers.needs_categories else None,
        )

    def tables(self) -> tuple[Tensor | None, Tensor, Tensor]:
        """Category, item and score table; kept while ranking, dropped by on_epoch_start."""
        if self._ranking_tables is not None and not self.training:
            return self._ranking_tables
        categories = self.category_table()
        table = self.item_table(categories)
        tables = categories, table, self.score_table(categories, table)
        if not self.training and not torch.is_grad_enabled():
            self._ranking_tables = tables
            self._kept_clicks = None if self.item_graph is None else self.item_vectors()
        return tables

    def train(self, mode: bool = True) -> A2DMTL:
        """Switch between training and ranking; a table made for ranking is forgotten."""
        self._ranking_tables = self._kept_clicks = None
        super().train(mode)
        return self

    def diagnostics(self, interaction: Interaction) -> dict[str, float]:
        """What :func:`~recbole_a2d.models.a2d.diagnosis.diagnose` finds on a batch."""
        return diagnose(self, interaction)


def _forget_ranking_tables(model: nn.Module, _: Any) -> None:
    model.train(model.training)
