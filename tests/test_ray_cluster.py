"""Grids and searches on a cluster of two nodes by its address; both nodes take part."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from recbole_a2d import records
from recbole_a2d.benchmark import engines, runner
from recbole_a2d.benchmark.suites import Cell
from recbole_a2d.errors import UserError
from recbole_a2d.ray_cluster import Resources, resources
from recbole_a2d.tune import command
from recbole_a2d.yaml_files import read_yaml


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Any]]:
    """Two nodes of one processor each, as ``ray start`` makes them on two machines."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield [cluster.head_node, *cluster.worker_nodes]
    cluster.shutdown()


@contextmanager
def watched(nodes: list[Any], title: str) -> Iterator[list[int]]:
    """How often each node was seen at work on something of that title."""
    seen, over = [0 for _ in nodes], threading.Event()
    keepers = [psutil.Process(node.all_processes["raylet"][0].process.pid) for node in nodes]

    def look() -> None:
        while not over.wait(0.05):
            for place, keeper in enumerate(keepers):
                seen[place] += any(title in name for name in map(_name, keeper.children()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def home(shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dataset_atomic").symlink_to(shop_data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("found", "asked", "given"),
    [
        ([{"CPU": 8.0}], (None, None), (1, 0.0)),
        ([{"CPU": 8.0, "GPU": 2.0}], (None, None), (4, 1.0)),
        ([{"CPU": 8.0, "GPU": 1.0}], (2, 0.5), (2, 0.5)),
        ([{"CPU": 16.0}, {"CPU": 4.0, "GPU": 2.0}], (None, None), (2, 1.0)),
        ([{"CPU": 8.0, "GPU": 1.0}], (3, 0.0), (3, 0.0)),
    ],
)
def test_resources_as_found(
    found: list[dict[str, float]], asked: tuple[Any, Any], given: tuple[int, float]
) -> None:
    assert resources(found, *asked) == Resources(*given)


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        ([{"CPU": 2.0}], (3, None)),
        ([{"CPU": 2.0}, {"CPU": 2.0}], (3, None)),
        ([{"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}], (2, 1.0)),
        ([{"CPU": 2.0}], (1, 0.5)),
        ([], (1, None)),
    ],
)
def test_what_no_machine_has_is_refused(
    found: list[dict[str, float]], asked: tuple[Any, Any]
) -> None:
    with pytest.raises(UserError, match="no machine of the cluster has them .*lower --cpus"):
        resources(found, *asked)


def test_no_task_waits_for_more_than_a_machine_has(nodes: list[Any], home: Path) -> None:
    """Both nodes together have two processors; one task cannot have them."""
    options = ["--engine=ray", f"--address={nodes[0].gcs_address}", "--cpus=2"]
    (home / "s.hyper").write_text("learning_rate choice [0.01]\n")
    for main, words in (
        (runner.main, ["smoke", "--models=Pop"]),
        (command.main, ["--dataset=shop", "--model=GRU4Rec", "--space=s.hyper"]),
    ):
        with pytest.raises(UserError, match=r"2 CPUs, 0 GPUs are asked for.*the most are 1 and 0"):
            main([*words, *options])


@pytest.mark.parametrize(
    ("visible", "told"), [(None, {}), ("", {"gpu_id": ""}), ("3", {"gpu_id": "3"})]
)
def test_a_task_keeps_to_the_gpu_it_was_given(
    visible: str | None, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    seen: list[Cell] = []
    monkeypatch.setattr(engines, "run_cell", lambda cell, _: seen.append(cell))
    engines.run_cell_on_given_gpus(Cell("Pop", "shop", {"epochs": 1}), "")
    assert seen[0].settings == {"epochs": 1} | told


def test_cells_ask_for_gpus(nodes: list[Any], home: Path) -> None:
    where = ["--engine=ray", f"--address={nodes[0].gcs_address}"]
    with pytest.raises(UserError, match=r"1 CPUs, 0.5 GPUs are asked for.*lower --cpus or --gpus"):
        runner.main(["smoke", "--models=Pop", *where, "--gpus=0.5"])


def test_a_grid(nodes: list[Any], home: Path) -> None:
    words = ["smoke", "--models=GRU4Rec,STAMP", "--refit=false", "--embedding_size=16"]
    with watched(nodes, "ray::run_cell") as seen:
        runner.main([*words, "--engine=ray", f"--address={nodes[0].gcs_address}"])
    assert all(seen), "both nodes worked"
    found = {record.model for record in records.read_records(home / "results")}
    assert found == {"GRU4Rec", "STAMP"}


def test_a_search(nodes: list[Any], home: Path) -> None:
    (home / "s.hyper").write_text("learning_rate choice [0.0001,0.01]\n")
    words = ["--dataset=shop", "--model=GRU4Rec", "--space=s.hyper", "--algo=exhaustive"]
    words += ["--epochs=4", "--embedding_size=16", "--train_batch_size=64"]
    with watched(nodes, "ray::ImplicitFunc.train") as seen:
        command.main([*words, "--engine=ray", f"--address={nodes[0].gcs_address}"])
    assert all(seen), "both nodes worked"
    assert len(list(home.glob("results/tune/*/trials/*.json"))) == 2
    (best,) = home.glob("results/tune/*/best.yaml")
    assert read_yaml(best)["learning_rate"] == 0.01
