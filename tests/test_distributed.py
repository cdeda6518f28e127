"""Two processes are one process with twice the batch, and end together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from recbole_a2d import cli, distributed, records
from recbole_a2d.config import build_config
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.data.rows import PrefixLoader
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import build_model, run_experiment
from recbole_a2d.registry import MODELS, model_class
from recbole_a2d.resources import properties_folder
from recbole_a2d.trainer import SessionTrainer, loader
from recbole_a2d.yaml_files import read_yaml

FORK = multiprocessing.get_context("fork")
TRAINABLE = [name for name in MODELS if getattr(model_class(name), "trainable", True)]
LOSS_TOLERANCE = 1e-5
"""Relative; float32 sums of two halves differ from the sum of the whole in the last digits."""


def environment() -> dict[str, str]:
    """What torchrun tells two processes, but for their numbers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def be(rank: int, shared: dict[str, str]) -> None:
    os.environ.update(shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})


def _joined(rank: int, shared: dict[str, str], work: Callable[..., Any], given: Any) -> Any:
    be(rank, shared)
    with distributed.joined():
        return work(*given)


def together(work: Callable[..., Any], *given: Any) -> list[Any]:
    """What the work gives in each of two processes, forked: no second import."""
    shared = environment()
    with ProcessPoolExecutor(2, FORK) as pool:
        asked = [pool.submit(_joined, rank, shared, work, given) for rank in range(2)]
        return [answer.result(timeout=120) for answer in asked]


def without_dropout(model: str) -> dict[str, Any]:
    """The model's settings with every dropout at zero."""
    settings = read_yaml(properties_folder() / "model" / f"{model}.yaml")
    found = {key: value for key, value in settings.items() if "dropout" in key}
    return {key: [0.0] * len(v) if isinstance(v, list) else 0.0 for key, v in found.items()}


# ---------------------------------------------------------------------- parts


@pytest.mark.parametrize("shuffle", [True, False])
def test_processes_share_the_batches_of_one(shop_config: Any, shuffle: bool) -> None:
    rows = shop_rows(shop_config())
    whole = PrefixLoader(rows, 64, shuffle=shuffle, seed=3)
    shares = [PrefixLoader(rows, 32, shuffle=shuffle, seed=3, share=(rank, 2)) for rank in (0, 1)]
    for served in (whole, *shares):
        served.set_epoch(2)
    assert {len(served) for served in (whole, *shares)} == {-(-len(rows) // 64)}
    for one, *parts in zip(whole, *shares, strict=True):
        theirs = torch.cat([part["row_id"] for part in parts])
        assert sorted(theirs.tolist()) == sorted(one["row_id"].tolist())
        assert abs(len(parts[0]) - len(parts[1])) <= 1


def test_a_share_may_be_empty(shop_config: Any) -> None:
    rows = shop_rows(shop_config(), 65)
    shares = [PrefixLoader(rows, 32, shuffle=False, share=(rank, 2)) for rank in (0, 1)]
    assert [[len(batch) for batch in share] for share in shares] == [[32, 1], [32, 0]]


def shop_rows(config: Any, count: int | None = None) -> Any:
    rows = ExperimentData(read_atomic(dataset_folder(config)), config).select.train_rows
    return replace(
        rows, start=rows.start[:count], end=rows.end[:count], session=rows.session[:count]
    )


class Parts(nn.Module):
    """Large enough and small, used by both, by the first process alone, by none."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.large = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(9))
        self.first, self.none = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(1))


def _averaged(rows: tuple[int, int], losses: tuple[float, float]) -> Any:
    distributed.LARGE = 5
    model, rank = Parts(), distributed.rank()
    if rows[rank]:
        model.both.grad = torch.full((2,), 1.0 + rank)
        model.large.grad = torch.arange(9.0) * (1 + rank)
    if rank == 0:
        model.first.grad = torch.ones(3)
    step = distributed.average_gradients(model.parameters(), losses[rank], rows[rank])
    return step, [None if p.grad is None else p.grad.numpy() for p in model.parameters()]


def test_gradients_are_the_mean_over_all_rows() -> None:
    for step, (both, large, first, none) in together(_averaged, (3, 1), (2.0, 6.0)):
        assert step == distributed.Step(3.0, 4)
        np.testing.assert_allclose(both, 1.25)
        np.testing.assert_allclose(large, np.arange(9) * 1.25)
        np.testing.assert_allclose(first, 0.75)
        assert none is None


def _averaged_rows(rows: tuple[int, int]) -> Any:
    table, rank = nn.Parameter(torch.zeros(4, 2)), distributed.rank()
    if rows[rank]:
        table.grad = torch.sparse_coo_tensor([[rank, 2]], torch.ones(2, 2), (4, 2))
    distributed.average_gradients([table], 1.0, rows[rank], [table])
    assert table.grad is not None and table.grad.is_sparse
    return table.grad.to_dense().numpy()


@pytest.mark.parametrize(
    ("rows", "expected"), [((3, 1), [0.75, 0.25, 1, 0]), ((2, 0), [1, 0, 1, 0])]
)
def test_gradients_of_a_few_rows(rows: tuple[int, int], expected: list[float]) -> None:
    for found in together(_averaged_rows, rows):
        np.testing.assert_allclose(found, np.outer(expected, [1, 1]))


def test_a_process_without_rows_changes_nothing() -> None:
    for step, (both, large, first, _) in together(_averaged, (2, 0), (2.0, float("nan"))):
        assert step == distributed.Step(2.0, 2)
        np.testing.assert_allclose(both, 1.0)
        np.testing.assert_allclose(large, np.arange(9))
        np.testing.assert_allclose(first, 1.0)


def test_all_know_of_a_loss_that_is_not_finite() -> None:
    for step, (both, *_) in together(_averaged, (1, 1), (1.0, float("inf"))):
        assert not np.isfinite(step.loss)
        assert both[0] in (1.0, 2.0), "left alone"


def _drawn() -> tuple[float, float]:
    torch.manual_seed(5)
    once = float(torch.rand(1))
    torch.manual_seed(5)
    distributed.draw_apart()
    return once, float(torch.rand(1))


def test_dropout_is_drawn_apart() -> None:
    (once, first), (also_once, second) = together(_drawn)
    assert once == also_once and len({once, first, second}) == 3
    assert _drawn() == (once, once), "one process draws what it always drew"


def _facts_differ() -> str:
    distributed.same_everywhere("equal", "never said")
    with pytest.raises(UserError, match="differ: bring them together"):
        distributed.same_everywhere(distributed.rank(), "bring them together")
    return "ok"


def test_a_difference_is_told() -> None:
    assert together(_facts_differ) == ["ok", "ok"]


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.own_gpu("0,1") == "0,1"
    monkeypatch.setattr(distributed, "size", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert [distributed.own_gpu(wish) for wish in ("0", "3,5", "")] == ["1", "5", ""]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="names 2 GPUs"):
        distributed.own_gpu("3,5")


# ---------------------------------------------------------------------- whole runs


def _run(model: str, settings: dict[str, Any]) -> tuple[list[float], dict[str, Any]]:
    config = build_config(model, "shop", overrides=settings)
    record = run_experiment(config, model)
    return [epoch["loss"] for epoch in record.history], record.valid


def test_two_processes_are_one_with_twice_the_batch(shop_data: Path, tmp_path: Path) -> None:
    def settings(name: str, batch: int) -> dict[str, Any]:
        return without_dropout("A2DMTL") | {
            "data_path": str(shop_data),
            "results_dir": str(tmp_path / name),
            "checkpoint_dir": str(tmp_path / name / "saved"),
            "precision": "float32",
            "embedding_size": 16,
            "epochs": 3,
            "learning_rate": 0.01,
            "train_batch_size": batch,
            "show_progress": False,
        }

    losses, valid = _run("A2DMTL", settings("one", 130))
    for theirs, metrics in together(_run, "A2DMTL", settings("two", 65)):
        np.testing.assert_allclose(theirs, losses, rtol=LOSS_TOLERANCE)
        assert metrics == valid
    one, two = (next(records.read_records(tmp_path / name)) for name in ("one", "two"))
    assert one.train_rows % 130 % 2 == 1, "the last batch divides unevenly"
    assert one.run != two.run and two.config["processes"] == 2
    assert two.command.startswith("torchrun --nproc_per_node 2 ")
    ranks = [
        records.read_ranks(tmp_path / name, record.run)
        for name, record in (("one", one), ("two", two))
    ]
    np.testing.assert_array_equal(*ranks)
    assert not list((tmp_path / "two").rglob("last.pt"))


def _epoch(model: str, settings: dict[str, Any]) -> tuple[float, list[Any], Any]:
    config = build_config(model, "shop", overrides=settings | without_dropout(model))
    distributed.draw_apart = lambda: None  # so that random parts can be compared too
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    built = build_model(config, model, data)
    trainer = SessionTrainer(config, built)
    trainer.fit(loader(data.train_rows, config, train=True), saved=False)
    ranks = trainer.rank(loader(data.evaluation_rows, config, train=False))
    weights = [parameter.detach().numpy().copy() for parameter in built.parameters()]
    return trainer.progress.history[0].loss, weights, ranks


def _epoch_of_all(settings: dict[str, Any]) -> dict[str, Any]:
    return {model: _epoch(model, settings) for model in TRAINABLE}


def test_every_trainable_model(shop_data: Path) -> None:
    settings = {
        "data_path": str(shop_data),
        "precision": "float32",
        "embedding_size": 8,
        "epochs": 1,
        "train_fraction": 0.3,
        "show_progress": False,
    }
    with ProcessPoolExecutor(1, FORK) as pool:
        alone = pool.submit(_epoch_of_all, settings | {"train_batch_size": 64}).result(120)
    first, second = together(_epoch_of_all, settings | {"train_batch_size": 32})
    for model in TRAINABLE:
        assert first[model][0] == pytest.approx(alone[model][0], rel=LOSS_TOLERANCE), model
        assert second[model][0] == first[model][0]
        for mine, theirs in zip(first[model][1], second[model][1], strict=True):
            np.testing.assert_array_equal(mine, theirs, err_msg=model)
        np.testing.assert_array_equal(first[model][2], second[model][2], err_msg=model)
        # An untrained model's scores lie close together: a few ranks hang on the last digit.
        assert (first[model][2] != alone[model][2]).mean() < 0.05, model
    assert len(alone[model][2]) % 2 == 1, "an odd number of held-out rows"


# ---------------------------------------------------------------------- ends


def _command(rank: int, shared: dict[str, str], words: list[str], told: Path, dies: bool) -> None:
    """The command line in one of the processes; it may be killed when two epochs are done."""
    be(rank, shared)
    real = SessionTrainer._run_epoch

    def killed(self: Any, *data: Any) -> Any:
        if dies and rank == 1 and self.progress.next_epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *data)

    SessionTrainer._run_epoch = killed  # type: ignore[method-assign]
    with told.open("w") as stream:
        sys.stdout = sys.stderr = stream
        code = cli.main(words)
    os._exit(code)


def command(words: list[str], told: Path, dies: bool = False) -> tuple[list[int], list[str]]:
    """Exit codes of two processes, and what each said."""
    shared, places = environment(), [told.with_suffix(f".{rank}") for rank in range(2)]
    workers = [
        FORK.Process(target=_command, args=(rank, shared, words, places[rank], dies))
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    return [worker.exitcode or 0 for worker in workers], [place.read_text() for place in places]


def words(shop_data: Path, home: Path) -> list[str]:
    return [
        "--dataset=shop",
        "--model=GRU4Rec",
        f"--data_path={shop_data}",
        f"--results_dir={home / 'results'}",
        f"--checkpoint_dir={home / 'saved'}",
        "--embedding_size=8",
        "--epochs=4",
        "--learning_rate=0.01",
        "--train_batch_size=64",
    ]


def test_a_killed_process_ends_the_others_and_the_run_goes_on(
    shop_data: Path, tmp_path: Path
) -> None:
    homes = [tmp_path / name for name in ("killed", "whole")]
    codes, said = command(words(shop_data, homes[0]), tmp_path / "killed", dies=True)
    assert codes == [2, -signal.SIGKILL]
    assert "error: another process of this run has ended" in said[0] and "same command" in said[0]
    assert not list(homes[0].rglob("records/*.json"))
    assert len(list(homes[0].rglob("last.pt"))) == 1
    ends = []
    for home in homes:
        codes, said = command(words(shop_data, home), tmp_path / "again")
        assert codes == [0, 0]
        assert said[0].count("Hit (P)") == 1 and said[1] == "", "the first one speaks"
        (record,) = records.read_records(home / "results")
        ranks = records.read_ranks(home / "results", record.run)
        ends.append(([epoch["loss"] for epoch in record.history], ranks.tolist()))
    assert ends[0] == ends[1], "as if it had not been killed"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--learnrate=1"], "unknown key 'learnrate'"),
        (["--learning_rate=1e30"], "loss is nan in batch"),
        (["--dataset=nonesuch"], "no data set 'nonesuch'"),
    ],
)
def test_an_error_is_told_once(more: list[str], told: str, shop_data: Path, tmp_path: Path) -> None:
    given = words(shop_data, tmp_path)
    if "--dataset=nonesuch" in more:
        given.remove(f"--data_path={shop_data}")
    codes, said = command([*given, *more], tmp_path / "told")
    assert codes == [2, 2]
    assert sum(text.count("error:") for text in said) == 1
    assert told in "".join(said)


def test_other_commands_work_alone(tmp_path: Path) -> None:
    codes, said = command(["benchmark", "smoke"], tmp_path / "told")
    assert codes == [2, 2]
    assert "".join(said) == "error: 'benchmark' works in one process; start it without torchrun\n"


def test_started_by_torchrun(shop_data: Path, tmp_path: Path) -> None:
    script = Path(cli.__file__).parents[1] / "run_recbole_a2d.py"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*launcher, "--nproc_per_node=2", str(script), *words(shop_data, tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Hit (P)") == 1
    (record,) = records.read_records(tmp_path / "results")
    assert record.config["processes"] == 2
