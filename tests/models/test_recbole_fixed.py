"""RecBole's models: unchanged where they are right, put right where they are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recbole.model import sequential_recommender as stock

from recbole_a2d.config import build_config
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import run_experiment
from recbole_a2d.models import recbole_fixed
from recbole_a2d.registry import model_class

NAMES = ["CORE", "GCSAN", "GRU4Rec", "NARM", "SASRec", "SRGNN", "STAMP"]
PREFIXES = [[3], [4, 5, 4, 4, 9], [7, 8], [1, 2, 3, 1, 2, 3, 17], [20, 20, 20], [5, 6, 5, 6, 7, 6]]


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any, small_settings: Any) -> Any:
    def make(name: str, **overrides: Any) -> Any:
        config = tiny_config(name, **{**small_settings[name], **overrides})
        return getattr(recbole_fixed, name)(config, tiny_dataset)

    return make


@pytest.fixture
def stock_twin(tiny_config: Any, tiny_dataset: Any, small_settings: Any) -> Any:
    """RecBole's unmodified model with the weights of the given one."""

    def make(name: str, model: Any) -> Any:
        twin = getattr(stock, name)(tiny_config(name, **small_settings[name]), tiny_dataset)
        twin.load_state_dict(model.state_dict())
        return twin.eval()

    return make


def rough_weights(model: Any) -> Any:
    """Weights large enough that no part of the model is lost in rounding."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    model.zero_pad_row()
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
def test_scores_equal_stock_model(
    name: str, build: Any, stock_twin: Any, tiny_batch: Any, checks: Any
) -> None:
    """With a zero pad vector the sums over pads are harmless, so every stock score is right."""
    model = rough_weights(build(name))
    twin = stock_twin(name, model)
    with torch.no_grad():
        expected = twin.full_sort_predict(tiny_batch(PREFIXES, width=9))[:, 1:]
    torch.testing.assert_close(checks.scores(model, PREFIXES), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["GRU4Rec", "STAMP", "NARM", "SRGNN", "SASRec"])
def test_loss_is_stock_loss_without_pad_class(
    name: str, build: Any, stock_twin: Any, tiny_batch: Any
) -> None:
    model = rough_weights(build(name))
    batch = tiny_batch(PREFIXES, [4, 10, 9, 4, 1, 2])
    with torch.no_grad():
        scores = stock_twin(name, model).full_sort_predict(batch)
        loss = model.calculate_loss(batch)
        with_pad = stock_twin(name, model).calculate_loss(batch)
    expected = torch.nn.functional.cross_entropy(scores[:, 1:], batch["item_id"] - 1)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    assert with_pad > loss + 1e-4


def test_stock_stamp_depends_on_padding(stock_twin: Any, build: Any, tiny_batch: Any) -> None:
    """Why the pad's vector is kept at zero: stock STAMP sums it into the session's memory."""
    model = rough_weights(build("STAMP"))
    twin = stock_twin("STAMP", model)
    with torch.no_grad():
        twin.item_embedding.weight[0].fill_(0.5)
        narrow = twin.full_sort_predict(tiny_batch([[3, 4]]))
        wide = twin.full_sort_predict(tiny_batch([[3, 4]], width=9))
    assert (narrow - wide).abs().max() > 1e-2


def test_gcsan_penalty_leaves_pad_out(build: Any, tiny_batch: Any) -> None:
    batch = tiny_batch(PREFIXES, [4, 10, 9, 4, 1, 2])
    plain, heavy = build("GCSAN", reg_weight=0.0), build("GCSAN", reg_weight=10.0)
    heavy.load_state_dict(plain.state_dict())
    table = plain.item_embedding.weight[1:]
    with torch.no_grad():
        difference = heavy.eval().calculate_loss(batch) - plain.eval().calculate_loss(batch)
        expected = 10.0 * table.norm() / len(table)
    torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-4)


def test_core_drops_candidates_only_while_training(build: Any) -> None:
    model = build("CORE")
    model.train()
    assert (model.candidates()[1:] == 0).any()
    model.eval()
    torch.testing.assert_close(model.candidates()[1:].norm(dim=1), torch.ones(20))


@pytest.mark.parametrize("name", NAMES)
def test_other_losses_are_refused(name: str, build: Any) -> None:
    with pytest.raises(UserError, match="loss_type"):
        build(name, loss_type="BPR")


def test_pad_vector_stays_zero_in_training(build: Any, checks: Any) -> None:
    model = build("STAMP")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        checks.gradients_reach_all(model)
        optimizer.step()
    assert (model.item_embedding.weight[0] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_stock_model_runs_end_to_end(name: str, shop_config: Any) -> None:
    """``recbole.NAME`` is RecBole's class, with our settings, through our trainer and ranks."""
    model = f"recbole.{name}"
    assert model_class(model) is getattr(stock, name)
    record = run_experiment(shop_config(model, epochs=1, train_fraction=0.5, refit=False), model)
    ours = build_config(name, "shop")
    assert record.config["embedding_size"] == 16 and record.config["loss_type"] == ours["loss_type"]
    assert record.epochs == 1 and 0 < record.test["hit@20"] < 1


def test_other_models_of_recbole_are_refused() -> None:
    with pytest.raises(UserError, match="unknown model 'recbole.FPMC'; RecBole's: GRU4Rec, STAMP"):
        model_class("recbole.FPMC")


def plain_gated_round(gnn: Any, clicks: list[int], vectors: dict[int, Any]) -> dict[int, Any]:
    """One round of the gated graph network (Wu et al., Eq. 1-5), item by item.

    Every item takes the mean of its predecessors' and of its successors' mapped vectors, each
    neighbor once; update gate z and reset gate r, ``(1 - z) h + z n``, as RecBole has it.
    """
    steps = set(zip(clicks[:-1], clicks[1:], strict=True))

    def mean_of(linear: Any, bias: Any, neighbors: set[int]) -> torch.Tensor:
        mapped = [linear(vectors[item]) for item in neighbors]
        return (sum(mapped) / len(mapped) if mapped else torch.zeros_like(bias)) + bias

    result = {}
    for item, hidden in vectors.items():
        before = {source for source, target in steps if target == item}
        after = {target for source, target in steps if source == item}
        inputs = torch.cat(
            [
                mean_of(gnn.linear_edge_in, gnn.b_iah, before),
                mean_of(gnn.linear_edge_out, gnn.b_ioh, after),
            ]
        )
        r_in, z_in, n_in = (gnn.w_ih @ inputs + gnn.b_ih).chunk(3)
        r_own, z_own, n_own = (gnn.w_hh @ hidden + gnn.b_hh).chunk(3)
        reset, update = torch.sigmoid(r_in + r_own), torch.sigmoid(z_in + z_own)
        new = torch.tanh(n_in + reset * n_own)
        result[item] = (1 - update) * hidden + update * new
    return result


def test_gated_graph_cell_against_its_formula(build: Any) -> None:
    model = rough_weights(build("SRGNN"))
    width = max(map(len, PREFIXES))
    padded = torch.tensor([prefix + [0] * (width - len(prefix)) for prefix in PREFIXES])
    with torch.no_grad():
        _, adjacency, nodes, _ = model._get_slice(padded)
        got = model.gnn.GNNCell(adjacency, model.item_embedding(nodes))
        for row, clicks in enumerate(PREFIXES):
            start = {item: model.item_embedding.weight[item] for item in clicks}
            expected = plain_gated_round(model.gnn, clicks, start)
            for place, item in enumerate(nodes[row].tolist()):
                if item:
                    torch.testing.assert_close(got[row, place], expected[item])
