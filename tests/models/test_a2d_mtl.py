"""A2D-MTL: the behaviour every model shows, its switches, and the two leaks it closes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from recbole_a2d.config import read_model_yaml
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.errors import UserError
from recbole_a2d.layers.category_encoder import category_loss
from recbole_a2d.layers.item_vectors import ItemVectors
from recbole_a2d.models.a2d.switches import SWITCHES
from recbole_a2d.models.a2d_mtl import A2DMTL
from recbole_a2d.resources import properties_folder


@pytest.fixture
def build(small: Any) -> Any:
    def make(dataset: SessionDataset | None = None, **changes: Any) -> A2DMTL:
        return small("A2DMTL", dataset, session_bank=changes.pop("session_bank", "none"), **changes)

    return make


def test_behaviour(build: Any, checks: Any) -> None:
    checks.all(build(session_bank="train"))


EVERY_SWITCH = [(key, word) for key, words in SWITCHES.items() for word in words] + [
    ("item_graph", False),
    ("item_residual", False),
    ("item_position", False),
    ("keep_self_transitions", True),
    ("category_layers", 2),
    ("mix_own_items", False),
    ("mix_category", True),
    ("mix_votes", True),
    ("trend_slices", 2),
]


BESIDE: dict[str, dict[str, Any]] = {
    "memory_rules": {"memory": "both"},
    "memory_learns": {"memory": "both"},
    "softmax_over": {"mix_own_items": True},
}
"""What a switch needs to have anything to do."""


def test_mixture_and_printed_loss_do_not_meet(build: Any) -> None:
    with pytest.raises(UserError, match="bce_softmax knows one softmax only"):
        build(loss="bce_softmax")


@pytest.mark.parametrize(("key", "value"), EVERY_SWITCH)
def test_every_switch_runs(
    key: str, value: Any, build: Any, checks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the printed loss knows one softmax, not a mixture
    mixed = value != "bce_softmax"
    beside = {"mix_own_items": mixed, "mix_category": mixed} | BESIDE.get(key, {})
    model = build(**beside | {key: value})
    checks.depends_on_prefix(model)
    checks.trains_in_bfloat16(model)
    if not str(value).startswith("batch_"):
        checks.independent_of_other_rows(model)
    checks.same_in_parts(model, monkeypatch)


DEFAULTS = read_model_yaml("A2DMTL") | {"mix_own_items": False}


@pytest.mark.parametrize(
    ("key", "value"), [pair for pair in EVERY_SWITCH if DEFAULTS[pair[0]] != pair[1]]
)
def test_every_switch_differs(
    key: str, value: Any, build: Any, ring_data: Any, checks: Any
) -> None:
    """With the same weights, wherever both have them, a step's loss or gradient is another one."""
    beside = {"mix_own_items": False} | BESIDE.get(key, {})
    data = ring_data(first_twice=True)
    plain, switched = (build(data, **beside | change) for change in ({}, {key: value}))
    _copy_weights(plain, switched)
    found = []
    for model in (plain, switched):
        model.on_epoch_start(1)
        gradients = checks.gradients(model)
        found.append(torch.cat([gradients[n].flatten() for n in sorted(gradients)]))
    assert len(found[0]) != len(found[1]) or not torch.allclose(*found, rtol=1e-3)


def _copy_weights(source: A2DMTL, target: A2DMTL) -> None:
    known = dict(source.named_parameters())
    for name, parameter in target.named_parameters():
        if name in known and known[name].shape == parameter.shape:
            parameter.data.copy_(known[name].data)


def variants() -> Iterator[dict[str, Any]]:
    """Settings of all variants, on every data set that they name."""
    for path in sorted((properties_folder() / "variant").glob("*.yaml")):
        settings = yaml.safe_load(path.read_text())
        for of_dataset in settings.pop("per_dataset", {"": {}}).values():
            yield settings | of_dataset


@pytest.mark.parametrize("settings", variants(), ids=str)
def test_every_variant_trains(settings: dict[str, Any], build: Any, checks: Any) -> None:
    model = build(**({"session_bank": "train"} | settings))
    first = ["trends.weight"] if "trend_slices" in settings else []  # nothing was clicked before
    checks.gradients_reach_all(model, unused=first)


def test_unknown_word_of_a_switch_is_refused(build: Any) -> None:
    with pytest.raises(UserError, match="gate is 'sclar'; it must be one of: scalar, vector"):
        build(gate="sclar")


def test_without_category_part_no_category_enters(build: Any, checks: Any) -> None:
    model = build(categories="none")
    before = checks.scores(model, checks.prefixes)
    model.category_of_item.zero_()
    torch.testing.assert_close(before, checks.scores(model, checks.prefixes))
    full = build()
    before = checks.scores(full, checks.prefixes)
    full.category_of_item.zero_()
    full.on_epoch_start(0)
    assert (before - checks.scores(full, checks.prefixes)).abs().max() > 1e-3


@pytest.fixture
def one_edge_each() -> SessionDataset:
    """Sessions that begin alike: every transition, and every target, is of one of them alone."""
    sessions = Sessions.from_lists([[0, 1], [0, 2], [0, 3]])
    tokens = np.array(list("abcd"), dtype=object)
    names = np.array(["x"], dtype=object)
    return SessionDataset.from_codes("tiny", sessions, sessions, tokens, np.zeros(4, int), names)


@pytest.mark.parametrize("direction", ["out", "both"])
@pytest.mark.parametrize("bank", ["none", "train", "batch_masked", "batch_leaky"])
def test_training_row_does_not_see_its_own_edge(
    build: Any, one_edge_each: SessionDataset, bank: str, direction: str
) -> None:
    """A transition that one session alone makes must not reach that session's row."""
    for exclude, reaches in ((True, False), (False, True)):
        model = build(
            one_edge_each,
            graph_exclude_self=exclude,
            graph_direction=direction,
            session_bank=bank,
            bank_neighbors=2,
            dropout=0.0,
            embedding_dropout=0.0,
            categories="none",
        )
        found = _session_vectors(model.train(), move=None), _session_vectors(model, move=0)
        assert bool((found[0][0] != found[1][0]).any()) is reaches


def _session_vectors(model: A2DMTL, move: int | None) -> Tensor:
    """Those of all training rows, after the target of one was moved by 1 and back."""
    batch = model.train_rows.batch(np.arange(len(model.train_rows)))
    weight = model.item_embedding.weight.data
    before = weight.clone()
    if move is not None:
        weight[batch["item_id"][move]] += 1
    model.on_epoch_start(1)
    found = model.encode(batch, None, ItemVectors(model.item_table(None))).session.detach()
    weight.copy_(before)
    return found


def test_leaky_bank_depends_on_its_batch_and_says_so(
    build: Any, checks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = build(session_bank="batch_leaky")
    assert "not results" in caplog.text
    with pytest.raises(AssertionError):
        checks.independent_of_other_rows(model)


def test_save_and_load(build: Any, checks: Any) -> None:
    model = build(session_bank="train")
    other = build(session_bank="train", seed=1)
    other.load_state_dict(model.state_dict())
    checks.same(checks.scores(model, checks.prefixes), checks.scores(other, checks.prefixes))


def test_fast_path_gradients_stay_near_float32(build: Any, tiny_batch: Any, checks: Any) -> None:
    model = build(session_bank="train", dropout=0.0, embedding_dropout=0.0).train()
    batch = tiny_batch(checks.prefixes, [4, 10, 9, 4, 1])
    model.calculate_loss(batch).backward()
    exact = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        model.calculate_loss(batch).backward()
    for name in ("item_embedding.weight", "category.embedding.weight"):
        found = dict(model.named_parameters())[name].grad
        assert (found - exact[name]).norm() < 0.05 * exact[name].norm()


def test_diagnostics_are_shares(build: Any, tiny_batch: Any, checks: Any) -> None:
    report = build().eval().diagnostics(tiny_batch(checks.prefixes))
    of_attention = {"click_entropy", "context_entropy", "clicks_switched_off", "alpha_ent"}
    assert set(report) == of_attention | {"returns", "expected_returns"}
    assert 0 <= report["click_entropy"] <= 1.0001 and 1.01 <= report["alpha_ent"] <= 2


def test_no_rows_have_no_diagnostics(build: Any, tiny_batch: Any, checks: Any) -> None:
    batch = tiny_batch(checks.prefixes)
    assert build().eval().diagnostics(batch[batch["item_length"] > 99]) == {}


@pytest.mark.parametrize("memory", ["none", "rules"])
@pytest.mark.parametrize("mix_votes", [False, True])
def test_expected_returns_are_probabilities_of_own_items(
    memory: str, mix_votes: bool, build: Any, tiny_batch: Any, checks: Any
) -> None:
    model = build(memory=memory, mix_votes=mix_votes, mix_category=False).eval()
    batch = tiny_batch(checks.prefixes, [3, 10, 9, 8, 20])
    report = model.diagnostics(batch)
    with torch.no_grad():
        scores = model.full_sort_predict(batch)[:, 1:]
    shares = scores.softmax(1) if memory != "none" or not mix_votes else scores
    expected = sum(
        sum(float(shares[row, item - 1]) for item in set(prefix))
        for row, prefix in enumerate(checks.prefixes)
    )
    assert report["expected_returns"] == pytest.approx(expected / 5, abs=1e-4)
    assert report["returns"] == pytest.approx(3 / 5)


def test_trends_raise_the_scores_of_later_sessions(build: Any, checks: Any) -> None:
    model = build(mix_own_items=False, mix_category=False, trend_slices=2).eval()
    before = checks.scores(model, checks.prefixes)
    with torch.no_grad():
        model.trends.weight.copy_(torch.tensor([0.5, -0.25]))
    model.on_epoch_start(1)
    gained = checks.scores(model, checks.prefixes) - before
    older, younger = model.trends.features[1:].unbind(1)
    torch.testing.assert_close(gained, (0.5 * younger - 0.25 * older).expand_as(gained))


def test_trends_of_a_training_row_are_of_its_time(build: Any, ring_data: Any) -> None:
    """Nothing comes before the first slice; what comes before the second changes its rows."""
    data = ring_data()
    model = build(data, dropout=0.0, embedding_dropout=0.0, trend_slices=2).train()
    rows = data.train_rows
    first, second = np.flatnonzero(rows.session < 50), np.flatnonzero(rows.session > 150)

    def losses() -> list[float]:
        return [model.calculate_loss(rows.batch(part)).item() for part in (first, second)]

    before = losses()
    with torch.no_grad():
        model.trends.weight.fill_(1.0)
    after = losses()
    assert after[0] == pytest.approx(before[0]) and after[1] != pytest.approx(before[1])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"categories": "none", "category_scores": "joined"}, "add --category_scores=none"),
        ({"categories": "merged", "category_scores": "prior"}, "add --category_scores=none"),
        (
            {"categories": "none", "attention_values": "item_category"},
            "add --attention_values=item",
        ),
        ({"intra": "mean", "attention_values": "initial_item"}, "add --attention_values=item"),
        ({"score_table": "graph", "graph_direction": "in"}, "add --score_table=initial"),
        ({"score_table": "graph", "graph_direction": "both"}, "add --score_table=initial"),
    ],
)
def test_switches_that_do_not_go_together(build: Any, changes: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        build(**changes)


def test_sampled_candidates_need_the_initial_table(build: Any) -> None:
    with pytest.raises(UserError, match="add --score_table=initial"):
        build(train_candidates=5, score_table="graph")
    with pytest.raises(UserError, match="does not work with categories 'merged'"):
        build(train_candidates=5, categories="merged")


@pytest.mark.parametrize("softmax_over", SWITCHES["softmax_over"])
def test_loss_is_that_of_the_probabilities_ranked(
    softmax_over: str, build: Any, tiny_batch: Any, checks: Any
) -> None:
    """Of targets among the clicks and of others."""
    plain = {"mix_category": False, "category_weight": 0, "trend_slices": 2}
    model = build(softmax_over=softmax_over, **plain).eval()
    batch = tiny_batch(checks.prefixes, [3, 10, 9, 8, 20])
    with torch.no_grad():
        scores = model.full_sort_predict(batch)[:, 1:]
        expected = F.cross_entropy(scores, batch["item_id"] - 1)
        torch.testing.assert_close(model.calculate_loss(batch), expected)


@pytest.mark.parametrize("parts", [(), ("mix_own_items",), ("mix_own_items", "mix_votes")])
def test_memory_is_added_to_the_model_s_own_probabilities(
    parts: tuple[str, ...], build: Any, tiny_batch: Any, checks: Any
) -> None:
    mixed = {"mix_own_items": False, "mix_category": False, **dict.fromkeys(parts, True)}
    model = build(memory="both", **mixed).eval()
    batch = tiny_batch(checks.prefixes)
    with torch.no_grad():
        found = model.full_sort_predict(batch)[:, 1:].softmax(1)
        memory, model.memory = model.memory, None
        alone = model.full_sort_predict(batch)[:, 1:]
        alone = alone.log() if "mix_votes" in parts else alone
        model.memory = memory
        categories, table, _ = model.tables()
        log_shares = model.encode(batch, categories, ItemVectors(table)).memory
        scores = F.pad(alone.log_softmax(1), (1, 0), value=-torch.inf)
        of_batch = (batch["item_id_list"], batch["item_length"])
        expected = memory.add_to(scores, torch.zeros(len(scores)), log_shares, *of_batch)
    torch.testing.assert_close(found, expected[:, 1:].softmax(1), rtol=1e-4, atol=1e-6)


def test_the_model_learns_as_it_would_without_memory(
    build: Any, tiny_batch: Any, checks: Any
) -> None:
    batch = tiny_batch(checks.prefixes, [4, 10, 9, 4, 1])
    model, plain = build(memory="both").eval(), build().eval()
    left_out = plain.load_state_dict(model.state_dict(), strict=False)
    assert all(name.startswith("memory.") for name in left_out.unexpected_keys)
    assert not left_out.missing_keys
    for one in (model, plain):
        one.calculate_loss(batch).backward()
    found = dict(model.named_parameters())
    for name, parameter in plain.named_parameters():
        assert torch.equal(found[name].grad, parameter.grad), name
    for name, parameter in model.memory.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("when", ["always", "first_epoch"])
def test_memory_learns_on_rows_that_the_model_has_not_learned_from(
    when: str, build: Any, tiny_batch: Any, checks: Any
) -> None:
    model = build(memory="both", memory_learns=when)
    batch = tiny_batch(checks.prefixes, [4, 10, 9, 4, 1])
    for epoch in (0, 1):
        model.zero_grad()
        model.on_epoch_start(epoch)
        model.calculate_loss(batch).backward()
        learns = [parameter.grad is not None for parameter in model.memory.parameters()]
        assert all(learns) if epoch == 0 or when == "always" else not any(learns)
        assert model.item_embedding.weight.grad is not None


def test_sampled_candidates_and_printed_loss_do_not_meet_memory(build: Any) -> None:
    with pytest.raises(UserError, match="add --memory=none"):
        build(memory="rules", train_candidates=4)
    with pytest.raises(UserError, match="add --memory=none"):
        build(memory="rules", loss="bce_softmax", mix_own_items=False, mix_category=False)


def test_joined_categories_are_compared_beside_the_items(build: Any, checks: Any) -> None:
    """Without the rest: the cosine of a mean [item ; category] with each candidate's."""
    plain = {"intra": "mean", "item_graph": False, "mix_own_items": False, "mix_category": False}
    model = build(category_scores="joined", **plain)
    categories = model.category_table().tolist()
    items, of_item = model.item_embedding.weight.tolist(), model.category_of_item.tolist()
    joined = torch.tensor([items[i] + categories[of_item[i]] for i in range(len(items))])
    found = checks.scores(model, checks.prefixes)
    for row, prefix in enumerate(checks.prefixes):
        session = joined[torch.tensor(prefix)].mean(0)
        for item in range(1, len(items)):
            cosine = torch.cosine_similarity(session, joined[item], dim=0)
            expected = model.switches["score_scale"] * float(cosine)
            assert float(found[row, item - 1]) == pytest.approx(expected, abs=1e-4)


def test_lambda_weighs_the_category_loss(build: Any, tiny_batch: Any, checks: Any) -> None:
    model, losses = build().eval(), []
    batch = tiny_batch(checks.prefixes, [4, 10, 9, 4, 1])
    for weight in (0.0, 0.5):
        model.switches["category_weight"] = weight
        losses.append(model.calculate_loss(batch))
    categories = model.category_table()
    encoded = model.encode(batch, categories, ItemVectors(model.item_table(categories)))
    of_category = model.category.log_probabilities(encoded.categories)
    expected = category_loss(of_category, model.category_of_item[batch["item_id"]])
    torch.testing.assert_close(losses[1] - losses[0], 0.5 * expected, rtol=1e-4, atol=1e-5)


def test_ranking_asks_the_memory_when_it_learns_no_more(build: Any, checks: Any) -> None:
    model = build(memory="both", memory_learns="first_epoch")
    before = checks.scores(model, checks.prefixes)
    model.on_epoch_start(1)
    assert torch.equal(before, checks.scores(model, checks.prefixes))


def test_readout_with_last_reads_the_last_click(build: Any, tiny_batch: Any) -> None:
    model, seen = build(readout="with_last", item_graph=False).eval(), []
    model.with_last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.full_sort_predict(tiny_batch([[3, 4, 5], [7]]))
    assert torch.equal(seen[0][:, 16:], model.item_embedding(torch.tensor([5, 7])))


def test_as_many_neighbors_as_set_and_one_in_reserve(build: Any) -> None:
    graph = build(item_neighbors=3).item_graph
    assert (graph.neighbors.shape[1], graph.next_neighbor.shape[1]) == (3, 1)


def test_masked_bank_leaves_out_rows_of_the_same_session(build: Any, tiny_batch: Any) -> None:
    batch, alone = tiny_batch([[3, 4], [3, 4, 5]]), tiny_batch([[3, 4]])
    batch.interaction["session_id"] = torch.tensor([7, 7])
    for bank, meets in (("batch_masked", False), ("batch_leaky", True)):
        model = build(session_bank=bank).eval()
        with torch.no_grad():
            scores = [model.full_sort_predict(one)[0, 1:] for one in (batch, alone)]
        assert torch.allclose(*scores, atol=1e-3) is not meets


def test_a_row_s_own_step_to_the_same_item_is_counted(build: Any, ring_data: Any) -> None:
    data = ring_data(first_twice=True)
    again = data.train.items[data.train_rows.end - 1] == data.train_rows.targets
    for keep in (True, False):
        own = build(data, keep_self_transitions=keep).own_counts.numpy()
        assert again.any() and (own[~again] > 0).all()
        assert ((own[again] > 0) == keep).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"score": "dot"},
        {"loss": "bce_softmax"},
        {"score_table": "graph"},
        {"categories": "merged"},
        {"category_scores": "sum"},
        {"category_scores": "prior"},
        {"category_scores": "joined", "score_table": "graph"},
        {"session_bank": "train", "attention_values": "initial_item"},
    ],
)
def test_look_ups_share_the_gradient_of_the_scores(
    changes: dict[str, Any], build: Any, checks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [build(mix_own_items=False, **changes) for _ in range(2)]
    both[1].load_state_dict(both[0].state_dict())
    shared = checks.gradients(both[0])
    monkeypatch.setattr(ItemVectors, "rows", lambda self, index: F.embedding(index, self.table))
    torch.testing.assert_close(shared, checks.gradients(both[1]), rtol=1e-4, atol=1e-6)
