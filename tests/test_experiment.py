"""The whole road: settings in, record and ranks out; leaks shut, kills survived."""

from __future__ import annotations

import dataclasses
import fcntl
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_a2d import convert, experiment, records
from recbole_a2d.checkpoint import load_checkpoint
from recbole_a2d.config import build_config
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.errors import Diverged, UserError
from recbole_a2d.evaluation.metrics import metrics_from_ranks
from recbole_a2d.experiment import Experiment, run_experiment
from recbole_a2d.lock import lock_of
from recbole_a2d.run_names import new_name
from recbole_a2d.saved_run import read_saved_run
from recbole_a2d.trainer import SessionTrainer, loader


def test_record_holds_what_the_ranks_say(shop_config: Any, tmp_path: Path) -> None:
    record = run_experiment(shop_config(), "GRU4Rec")
    ranks = records.read_ranks(tmp_path / "results", record.run)
    assert len(ranks) == record.test_rows
    assert record.test == metrics_from_ranks(ranks)
    assert record.test["hit@20"] > 20 / record.items, "better than chance"
    assert records.read_record(tmp_path / "results" / "records" / f"{record.run}.json") == record
    assert not list((tmp_path / "saved").rglob("last.pt"))
    assert [epoch["phase"] for epoch in record.history][-record.epochs :] == [
        "final"
    ] * record.epochs


def test_finished_run_is_not_repeated(shop_config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_experiment(shop_config(), "GRU4Rec")
    monkeypatch.setattr(experiment, "Experiment", None)
    assert run_experiment(shop_config(), "GRU4Rec") == first


def test_other_data_under_the_same_name_are_not_taken_for_the_same_run(
    shop_config: Any, tmp_path: Path
) -> None:
    run_experiment(shop_config("Pop"), "Pop")
    convert.main(["shop", "--sessions", "200", "--out", str(tmp_path / "other" / "shop")])
    other = shop_config("Pop", data_path=str(tmp_path / "other"))
    with pytest.raises(UserError, match="made from other data than the data set holds now"):
        run_experiment(other, "Pop")
    replaced = run_experiment(other, "Pop", fresh=True)
    assert run_experiment(other, "Pop") == replaced


def _cut_off(
    config: Any, monkeypatch: pytest.MonkeyPatch, phase: str = "select", epoch: int = 1, **how: Any
) -> None:
    """A run that dies when an epoch begins."""
    train = SessionTrainer._train_epoch

    def dies(self: Any, rows: Any, number: int, *more: Any) -> float:
        if (self.phase, number) == (phase, epoch):
            raise KeyboardInterrupt
        return train(self, rows, number, *more)

    with monkeypatch.context() as patch:
        patch.setattr(SessionTrainer, "_train_epoch", dies)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(config, str(config["model"]), **how)


def test_a_run_that_goes_on_says_from_where(
    shop_config: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = shop_config("GRU4Rec", epochs=2)
    caplog.set_level("INFO", logger="recbole_a2d")
    _cut_off(config, monkeypatch)
    assert "going on" not in caplog.text
    run_experiment(config, "GRU4Rec")
    assert caplog.text.count("going on after epoch 1") == 1
    assert caplog.text.count("going on") == 1


@pytest.mark.parametrize(("phase", "epoch"), [("select", 1), ("select", 3), ("final", 1)])
def test_a_run_cut_off_ends_as_if_it_had_not_been(
    phase: str, epoch: int, shop_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a falling learning rate, patience, and a part that learns in the first epoch alone."""

    def config(folder: str) -> Any:
        places = {name: str(tmp_path / folder / name) for name in ("results_dir", "checkpoint_dir")}
        return shop_config("A2DMTL", **schedule, **places)

    schedule: dict[str, Any] = {"variant": "with_memory", "memory_learns": "first_epoch"}
    schedule |= {"lr_step": 1, "lr_decay": 0.5, "stopping_step": 2, "stopping_min_steps": 0}
    schedule |= {"epochs": 5, "learning_rate": 0.05}
    whole = run_experiment(config("whole"), "A2DMTL")
    _cut_off(config("cut"), monkeypatch, phase, epoch)
    resumed = run_experiment(config("cut"), "A2DMTL")
    told = [
        [{key: epoch[key] for key in epoch if key != "seconds"} for epoch in record.history]
        for record in (whole, resumed)
    ]
    assert told[0] == told[1]
    assert whole.test == resumed.test and whole.epochs == resumed.epochs


def test_a_run_cut_off_does_not_go_on_with_other_data(
    shop_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off(shop_config(), monkeypatch)
    convert.main(["shop", "--sessions", "200", "--out", str(tmp_path / "other" / "shop")])
    other = shop_config(data_path=str(tmp_path / "other"))
    with pytest.raises(UserError, match="made from other data"):
        run_experiment(other, "GRU4Rec")
    run_experiment(shop_config(), "GRU4Rec")


def test_a_fresh_run_cut_off_goes_on(shop_config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_experiment(shop_config(), "GRU4Rec")
    _cut_off(shop_config(), monkeypatch, fresh=True)
    trained: list[int] = []
    train = SessionTrainer._train_epoch

    def counted(self: Any, rows: Any, epoch: int, *more: Any) -> float:
        trained.append(epoch)
        return train(self, rows, epoch, *more)

    monkeypatch.setattr(SessionTrainer, "_train_epoch", counted)
    again = run_experiment(shop_config(), "GRU4Rec")
    assert trained[0] == 1 and len(trained) == len(again.history) - 1
    assert again.test == first.test
    assert run_experiment(shop_config(), "GRU4Rec") == again


def test_half_trained_weights_are_no_finished_run(
    shop_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_experiment(shop_config(), "GRU4Rec").run
    assert read_saved_run(tmp_path / "saved" / run).epochs > 1
    records.record_path(tmp_path / "results", run).unlink()
    _cut_off(shop_config(), monkeypatch, "final")
    with pytest.raises(UserError, match="no finished run"):
        read_saved_run(tmp_path / "saved" / run)


def test_a_run_that_ended_meanwhile_is_not_repeated(
    shop_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may end it between the first look and the claim."""
    ended: list[records.Record] = []

    def read_slowly(*given: Any) -> Any:
        monkeypatch.setattr(experiment, "Experiment", Experiment)
        ended.append(run_experiment(shop_config(), "GRU4Rec"))
        return Experiment(*given)

    monkeypatch.setattr(experiment, "Experiment", read_slowly)
    assert run_experiment(shop_config(), "GRU4Rec") == ended[0]


def test_a_fresh_run_beside_an_older_record_goes_on(
    shop_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it ends, the older record, which lacks a switch, stands for these settings."""
    config = shop_config("A2DMTL", epochs=2)
    record = run_experiment(config, "A2DMTL")
    ranks = records.read_ranks(tmp_path / "results", record.run)
    records.record_path(tmp_path / "results", record.run).unlink()
    older = {key: value for key, value in record.config.items() if key != "memory"}
    older_run = dataclasses.replace(record, run="shop-A2DMTL-00000000", config=older)
    records.write_record(tmp_path / "results", older_run, ranks)
    assert run_experiment(config, "A2DMTL").run == "shop-A2DMTL-00000000"
    _cut_off(config, monkeypatch, fresh=True)
    assert run_experiment(config, "A2DMTL").run == record.run


def test_a_model_is_told_of_the_start_before_its_first_step(
    shop_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the process has no row of the first batch."""
    config = shop_config()
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    model: Any = experiment.build_model(config, "GRU4Rec", data)
    trainer, told = SessionTrainer(config, model), []
    model.on_training_start = told.append
    trainer.rank(loader(data.evaluation_rows, config, train=False))
    assert told == []
    monkeypatch.setattr(SessionTrainer, "_step", lambda *_: pytest.fail(f"told {told}"))
    with pytest.raises(pytest.fail.Exception, match=r"told \[3\]"):
        trainer._train_epoch(loader(data.train_rows, config, train=True), 3)


def test_same_seed_same_ranks(shop_config: Any, tmp_path: Path) -> None:
    run = run_experiment(shop_config("A2DMTL", epochs=2), "A2DMTL").run
    first = records.read_ranks(tmp_path / "results", run)
    run_experiment(shop_config("A2DMTL", epochs=2), "A2DMTL", fresh=True)
    np.testing.assert_array_equal(first, records.read_ranks(tmp_path / "results", run))


def test_phases_share_no_session_and_know_nothing_ahead(shop_config: Any) -> None:
    config = shop_config()
    tables = read_atomic(dataset_folder(config))
    data = ExperimentData(tables, config)
    tokens = [set(tables.splits[split].session_tokens) for split in ("train", "valid", "test")]
    assert not tokens[0] & tokens[1] and not tokens[0] & tokens[2] and not tokens[1] & tokens[2]
    assert len(data.select.train) == len(tables.train)
    assert len(data.final.train) == len(tables.train) + len(tables.valid)
    trained = set(tables.item_tokens[tables.train.items])
    assert set(data.select.item_tokens[1:]) == trained
    assert set(data.unrefitted.item_tokens[1:]) == trained


def test_weights_before_the_test_do_not_depend_on_the_test_rows(
    shop_config: Any, tmp_path: Path
) -> None:
    """Reversing every test session must change no weight of the clean protocol."""

    def trained_weights(change: bool) -> dict[str, torch.Tensor]:
        config = shop_config("A2DMTL", epochs=2, checkpoint_dir=str(tmp_path / str(change)))
        run = experiment.Experiment(config, "A2DMTL", "run", tmp_path / str(change))
        if change:
            test = run.data.tables.splits["test"]
            turned = np.concatenate([test.sessions[s][::-1] for s in range(len(test.sessions))])
            sessions = dataclasses.replace(test.sessions, items=turned)
            run.data.tables.splits["test"] = dataclasses.replace(test, sessions=sessions)
        run.run()
        return load_checkpoint(tmp_path / str(change) / "final" / "best.pt")[0]["model"]

    plain, changed = trained_weights(False), trained_weights(True)
    assert plain.keys() == changed.keys()
    assert all(torch.equal(plain[name], changed[name]) for name in plain)


def _fit_and_die(config: Any, folder: Path, epochs: int) -> None:
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    trainer = SessionTrainer(config, experiment.build_model(config, "A2DMTL", data), folder)

    def die(result: Any) -> None:
        if result.epoch + 1 == epochs:
            os._exit(9)

    rows = loader(data.train_rows, config, train=True)
    valid = loader(data.evaluation_rows, config, train=False)
    trainer.fit(rows, valid, callback_fn=die)


def test_killed_run_ends_as_if_it_had_not_been(shop_config: Any, tmp_path: Path) -> None:
    config = shop_config("A2DMTL", epochs=3, stopping_step=3)
    context = multiprocessing.get_context("fork")
    killed = context.Process(target=_fit_and_die, args=(config, tmp_path / "killed", 1))
    killed.start()
    killed.join(120)
    assert killed.exitcode == 9
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    weights = []
    for name in ("killed", "whole"):
        model = experiment.build_model(config, "A2DMTL", data)
        trainer = SessionTrainer(config, model, tmp_path / name)
        trainer.fit(
            loader(data.train_rows, config, train=True),
            loader(data.evaluation_rows, config, train=False),
        )
        assert [epoch.epoch for epoch in trainer.progress.history] == [0, 1, 2]
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_nan_names_the_batch(shop_config: Any) -> None:
    config = shop_config()
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    model: Any = experiment.build_model(config, "GRU4Rec", data)
    trainer = SessionTrainer(config, model)
    model.calculate_loss = lambda batch: torch.tensor(float("nan"), requires_grad=True)
    with pytest.raises(Diverged, match="batch 0 of epoch 1"):
        trainer.fit(loader(data.train_rows, config, train=True))


@pytest.mark.parametrize(
    ("model", "key", "value", "wanted"),
    [
        ("GCEGNN", "hops", 0, "a whole number of at least 1"),
        ("MTD", "graph_task", "often", "one of: joint, alternate, none"),
        ("MiaSRec", "entmax_alpha", 3, "a number above 1 and at most 2, -1 or learned"),
    ],
)
def test_what_a_model_refuses_is_told_with_its_file(
    model: str, key: str, value: Any, wanted: str, shop_config: Any, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"{key}: {value}\n")
    config = shop_config(model, files=[settings])
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    with pytest.raises(UserError) as told:
        experiment.build_model(config, model, data)
    assert str(told.value) == f"{settings}: {key} is {value!r}; it must be {wanted}"


def test_learning_rate_follows_the_schedule(shop_config: Any) -> None:
    config = shop_config(epochs=4, lr_step=2, lr_decay=0.5, learning_rate=0.01)
    data = ExperimentData(read_atomic(dataset_folder(config)), config).select
    trainer = SessionTrainer(config, experiment.build_model(config, "GRU4Rec", data))
    trainer.fit(loader(data.train_rows, config, train=True))
    rates = [epoch.learning_rate for epoch in trainer.progress.history]
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.005])


def test_test_selected_says_so(shop_config: Any) -> None:
    record = run_experiment(shop_config(protocol="test_selected"), "GRU4Rec")
    assert record.protocol == "test_selected"
    best = max(epoch["valid"]["mrr@20"] for epoch in record.history)
    assert record.test_selected["mrr@20"]["value"] == best == record.test["mrr@20"]


def test_without_refit_the_chosen_model_itself_is_tested(shop_config: Any) -> None:
    record = run_experiment(shop_config(refit=False), "GRU4Rec")
    assert {epoch["phase"] for epoch in record.history} == {"select"}
    assert record.test["hit@20"] > 0


@pytest.mark.parametrize("place", ["results_dir", "checkpoint_dir"])
def test_a_folder_that_cannot_be_written_is_told_before_training(
    place: str, shop_config: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    config = shop_config(**{place: str(tmp_path / "file")})
    with pytest.raises(UserError, match=f"cannot be written to .*--{place}"):
        run_experiment(config, "GRU4Rec")
    assert not list(tmp_path.rglob("*.pt"))


def test_two_commands_do_not_train_the_same_run(shop_config: Any, tmp_path: Path) -> None:
    config = shop_config("Pop")
    lock = lock_of(tmp_path / "saved", new_name(config, "Pop"))
    lock.parent.mkdir(parents=True)
    with lock.open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process is at it"):
            run_experiment(config, "Pop")
    run_experiment(config, "Pop")


def test_a_setting_that_recboles_model_refuses(shop_config: Any) -> None:
    with pytest.raises(UserError, match="SASRec: .*heads.*change the setting"):
        run_experiment(shop_config("SASRec", n_heads=7), "SASRec")


def test_missing_data_set_says_how_to_make_it(shop_config: Any) -> None:
    config = shop_config()
    config["data_path"] = "/nowhere/nonesuch"
    config["dataset"] = "nonesuch"
    with pytest.raises(UserError, match="convert SOURCE"):
        run_experiment(config, "GRU4Rec")


def test_without_refit_the_chosen_model_is_tested_on_what_it_knows(shop_config: Any) -> None:
    """Items that only the validation sessions know have no row in its tables."""
    config = shop_config("A2DMTL", epochs=1, refit=False)
    data = ExperimentData(read_atomic(dataset_folder(config)), config)
    assert data.final.n_items > data.unrefitted.n_items, "the case this test is about"
    record = run_experiment(config, "A2DMTL")
    assert record.items == data.unrefitted.n_items - 1
    assert record.train_rows == len(data.unrefitted.train_rows)
    assert record.diagnostics


@pytest.mark.parametrize(
    ("model", "settings", "limit"),
    [
        ("CLHHN", {"max_clicks": 3}, 3),
        ("CLHHN", {"max_clicks": 0, "MAX_ITEM_LIST_LENGTH": 4}, 4),
        ("SPop", {"MAX_ITEM_LIST_LENGTH": 2}, 2),
    ],
)
def test_cut_prefixes_are_counted_and_reported_once(
    model: str,
    settings: dict[str, int],
    limit: int,
    shop_config: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = shop_config(model, epochs=1, **settings)
    with caplog.at_level("INFO", logger="recbole_a2d"):
        run_experiment(config, model)
    (line,) = [message for message in caplog.messages if "reads at most" in message]
    tables = read_atomic(dataset_folder(config))

    def longer(*splits: str) -> tuple[int, int]:
        lengths = [
            place
            for split in splits
            for size in np.diff(tables.splits[split].sessions.offsets)
            for place in range(1, size)
        ]
        return sum(length > limit for length in lengths), len(lengths)

    (trained, of_trained), (ranked, of_ranked) = longer("train", "valid"), longer("test")
    assert trained > 0
    assert line == (
        f"{model} reads at most {limit} clicks: {trained} of {of_trained} training and {ranked} "
        f"of {of_ranked} test prefixes keep their last ones"
    )


def test_nothing_is_reported_where_nothing_is_cut(
    shop_config: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="recbole_a2d"):
        run_experiment(shop_config("SPop"), "SPop")
    assert not [message for message in caplog.messages if "reads at most" in message]


def test_data_without_categories_name_the_models_that_need_none(
    shop_config: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="recbole_a2d")
    bare = tmp_path / "data" / "bare"
    convert.main(["shop", "--sessions", "200", "--out", str(bare)])
    items = bare / "bare.item"
    header, *lines = items.read_text().splitlines()
    items.write_text("\n".join([header, *(line.split("\t")[0] + "\t" for line in lines)]) + "\n")
    (bare / "bare.json").unlink()
    places = {"results_dir": str(tmp_path / "results"), "checkpoint_dir": str(tmp_path / "saved")}
    places |= {"data_path": str(bare.parent)}
    for model in ("A2DMTL", "MGS", "CLHHN"):
        config = build_config(model, "bare", overrides=places)
        with pytest.raises(UserError, match=f"{model} needs item categories") as caught:
            run_experiment(config, model)
        assert "GRU4Rec, STAMP" in str(caught.value) and "MGS," not in str(caught.value)
    assert not [*(tmp_path / "results").iterdir(), *(tmp_path / "saved").glob("bare-*")]
    assert "choosing the epoch" not in caplog.text
