"""MTD: shared behaviour, and its two ways to join the graph task."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_a2d.errors import UserError
from recbole_a2d.models.mtd import MTD

SMALL = {"embedding_size": 16, "dropout": 0.1, "graph_nodes": 0, "graph_steps": 5}


@pytest.fixture
def build(tiny_config: Any, tiny_dataset: Any) -> Any:
    def make(**overrides: Any) -> MTD:
        return MTD(tiny_config("MTD", **{**SMALL, **overrides}), tiny_dataset)

    return make


@pytest.mark.parametrize(
    "overrides",
    [{"score_table": "item_graph"}, {"graph_nodes": 7}, {"num_blocks": 2, "num_heads": 4}],
)
def test_behaviour(build: Any, checks: Any, overrides: dict[str, Any]) -> None:
    checks.all(build(**overrides))


@pytest.mark.parametrize("graph_task", ["none", "alternate"])
def test_behaviour_without_joint_loss(build: Any, checks: Any, graph_task: str) -> None:
    model = build(graph_task=graph_task)
    graph_parameters = [name for name, _ in model.named_parameters() if "infomax" in name]
    assert len(graph_parameters) == (4 if graph_task == "alternate" else 0)
    checks.all(model, unused=graph_parameters)


def test_learns_the_ring_without_graph_task(build: Any, checks: Any) -> None:
    checks.learns_cycle(build(graph_task="none"))


def test_joint_loss_is_the_weighted_sum(build: Any, tiny_batch: Any) -> None:
    batch = tiny_batch([[3, 4], [5]], [5, 6])
    plain, joint = build(graph_task="none").eval(), build(graph_weight=0.3).eval()
    plain.load_state_dict(joint.state_dict(), strict=False)
    torch.manual_seed(1)
    expected = plain.calculate_loss(batch) + 0.3 * joint.graph_loss()
    torch.manual_seed(1)
    torch.testing.assert_close(joint.calculate_loss(batch), expected)


def test_graph_comes_from_training_transitions_both_ways(build: Any, tiny_dataset: Any) -> None:
    graph = build().graph
    for item in range(1, tiny_dataset.n_items):
        got = set(graph.neighbors[graph.offsets[item] : graph.offsets[item + 1]].tolist())
        ring = {(item - 2) % 20 + 1, item, item % 20 + 1}
        assert got == ring


def test_a_click_reads_itself_and_earlier_clicks_only(build: Any) -> None:
    model, seen = build().eval(), []
    model.attentions[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    model(torch.tensor([[4, 5, 0]]), torch.tensor([2]))
    assert seen[0][0].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 0]]


def test_far_clicks_have_no_position(build: Any) -> None:
    model = build(max_position=3).eval()
    with torch.no_grad():
        model.position.weight[1:] = torch.randn(3, 16)
    seen = []
    model.attentions[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    items = torch.tensor([[4, 5, 6, 7, 8]])
    model(items, torch.tensor([5]))
    expected = model.item_embedding(items) + model.position(torch.tensor([[0, 0, 3, 2, 1]]))
    torch.testing.assert_close(seen[0], expected)


class TestAlternation:
    """The fit happens before the first step of each of the first epochs, and nowhere else."""

    @staticmethod
    def fits(model: MTD, epoch: int) -> bool:
        """Whether the start of an epoch changes the item vectors."""
        before = model.item_embedding.weight.detach().clone()
        model.train().on_training_start(epoch)
        return not torch.equal(before, model.item_embedding.weight)

    def test_fit_replaces_item_vectors_and_only_them(self, build: Any) -> None:
        model = build(graph_task="alternate", graph_epochs=1)
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        model.on_training_start(0)
        changed = {n for n, value in model.named_parameters() if not torch.equal(before[n], value)}
        assert {name for name in changed if "infomax" not in name} == {"item_embedding.weight"}
        table = model.item_embedding.weight
        assert table[0].abs().sum() == 0
        assert table.abs().max() < 1
        nodes = torch.arange(1, model.n_items)
        expected = model.infomax.encode(model.graph, before["item_embedding.weight"], nodes)
        torch.testing.assert_close(table[1:], expected)

    def test_once_in_each_of_the_first_epochs(self, build: Any) -> None:
        model = build(graph_task="alternate", graph_epochs=2)
        assert [self.fits(model, epoch) for epoch in (0, 1, 2)] == [True, True, False]

    @pytest.mark.parametrize("training", [True, False])
    def test_steps_and_evaluation_leave_the_vectors_alone(
        self, build: Any, tiny_batch: Any, training: bool
    ) -> None:
        model = build(graph_task="alternate", graph_epochs=5).train(training)
        before = model.item_embedding.weight.detach().clone()
        model.calculate_loss(tiny_batch([[3, 4]], [5]))
        model.eval().full_sort_predict(tiny_batch([[3, 4]]))
        assert torch.equal(before, model.item_embedding.weight)

    def test_joint_has_no_fit(self, build: Any) -> None:
        assert not self.fits(build(graph_epochs=5), 0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"graph_task": "both"}, "graph_task"),
        ({"graph_task": "none", "score_table": "item_graph"}, "joint"),
        ({"max_position": 0}, "max_position"),
    ],
)
def test_bad_settings(build: Any, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(**overrides)
