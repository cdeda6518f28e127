"""The audit sees what is there: orders, leaks, and shares against plain loops."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_a2d import records
from recbole_a2d.benchmark import engines, leak
from recbole_a2d.benchmark.entries import LEAK_KEYS, Entry
from recbole_a2d.benchmark.layout import NOTHING
from recbole_a2d.benchmark.leak_table import LENGTH, Setting, leak_table, read_label_shares
from recbole_a2d.benchmark.plan import plan
from recbole_a2d.benchmark.runner import main, parse
from recbole_a2d.benchmark.suites import Cell
from recbole_a2d.config import build_config
from recbole_a2d.data.dataset import SessionDataset
from recbole_a2d.data.phases import ExperimentData
from recbole_a2d.data.sessions import Sessions
from recbole_a2d.errors import UserError
from recbole_a2d.records import read_record, read_records
from recbole_a2d.trainer import SessionTrainer


@pytest.fixture
def tiny() -> SessionDataset:
    """Thirty training and fifteen test sessions over twelve items, some of them unseen."""
    random = np.random.default_rng(1)

    def sessions(count: int, items: int) -> Sessions:
        return Sessions.from_lists(
            [random.integers(0, items, random.integers(2, 7)) for _ in range(count)]
        )

    tokens = np.array([f"i{n}" for n in range(14)], dtype=object)
    return SessionDataset.from_codes(
        "tiny", sessions(30, 12), sessions(15, 14), tokens, np.zeros(14, int), tokens[:1]
    )


@pytest.mark.parametrize("order", leak.ORDERS)
def test_every_row_is_served_once(order: str, tiny: SessionDataset) -> None:
    batches = leak.OrderedLoader(tiny.evaluation_rows, order, 4).row_batches()
    rows = np.concatenate(batches)
    assert sorted(rows) == list(range(len(tiny.evaluation_rows)))
    assert (rows == np.sort(rows)).all() == (order == "file")
    assert max(map(len, batches)) == 4


def test_unknown_order(tiny: SessionDataset) -> None:
    with pytest.raises(ValueError, match="file or shuffled"):
        leak.OrderedLoader(tiny.evaluation_rows, "sorted")


def _row(dataset: SessionDataset, row: int) -> tuple[list[int], int, int]:
    rows = dataset.evaluation_rows
    clicks = rows.sessions.items
    prefix = [int(item) for item in clicks[rows.start[row] : rows.end[row]] if item > 0]
    return prefix, int(clicks[rows.end[row]]), int(rows.session[row])


def _mean(vectors: np.ndarray, prefix: list[int]) -> np.ndarray:
    mean = vectors[prefix].mean(0) if prefix else np.zeros(vectors.shape[1])
    return mean / max(np.linalg.norm(mean), 1e-12)


def _nearest(similarity: list[tuple[float, Any]], count: int) -> list[Any]:
    return [name for _, name in sorted(similarity, key=lambda pair: -pair[0])[:count]]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("order", leak.ORDERS)
def test_batch_share_is_that_of_a_loop(masked: bool, order: str, tiny: SessionDataset) -> None:
    vectors = leak.random_vectors(tiny.n_items).numpy().astype(float)
    found = total = 0
    for batch in leak.OrderedLoader(tiny.evaluation_rows, order, 7).row_batches():
        for row in batch:
            prefix, target, session = _row(tiny, row)
            others = [_row(tiny, other) for other in batch if other != row]
            others = [other for other in others if not masked or other[2] != session]
            query = _mean(vectors, prefix)
            near = _nearest([(query @ _mean(vectors, o[0]), o[0]) for o in others], 2)
            found += target > 0 and any(target in other for other in near)
            total += 1
    shares = leak.label_shares(tiny, neighbors=2, batch=7)
    bank = "batch_masked" if masked else "batch_leaky"
    # Rows without a known click tie in similarity 0, which the loop may settle otherwise.
    assert shares[bank][order] == pytest.approx(found / total, abs=1.01 / total)


def test_training_share_is_that_of_a_loop(tiny: SessionDataset) -> None:
    vectors = leak.random_vectors(tiny.n_items)
    found, total = 0, len(tiny.evaluation_rows)
    means = [_mean(vectors.numpy(), tiny.train[s].tolist()) for s in range(len(tiny.train))]
    for row in range(total):
        prefix, target, _ = _row(tiny, row)
        query = torch.from_numpy(_mean(vectors.numpy(), prefix)).bfloat16()
        scores = torch.stack([torch.from_numpy(mean) for mean in means]).bfloat16() @ query
        near = scores.topk(3).indices.tolist()
        found += target > 0 and any(target in tiny.train[s] for s in near)
    share = leak.label_shares(tiny, neighbors=3)["train"]["any"]
    assert share == pytest.approx(found / total, abs=2.01 / total), "bfloat16 may tie"


def test_file_order_shows_answers_that_shuffling_hides(shop_test: ExperimentData) -> None:
    shares = leak.label_shares(shop_test.final, neighbors=3, batch=20)
    assert shares["batch_leaky"]["file"] > 2 * shares["batch_leaky"]["shuffled"]
    assert shares["batch_leaky"]["file"] > 2 * shares["batch_masked"]["file"]


def test_suite_ranks_in_both_orders(shop_data: Path, tmp_path: Path) -> None:
    arguments = ["leak", "--dataset=shop", f"--data_path={shop_data}", "--refit=false"]
    arguments += [f"--results_dir={tmp_path}", f"--checkpoint_dir={tmp_path / 'saved'}"]
    arguments += ["--epochs=2", "--embedding_size=16", "--learning_rate=0.02"]
    main(arguments)
    found = {
        (
            r.config["session_bank"],
            r.config.get("evaluation_order"),
            r.config["graph_exclude_self"],
        ): r.test
        for r in read_records(tmp_path)
    }
    assert len(found) == 4 * 3 + 1
    for bank in ("none", "train"):
        tests = [found[bank, order, True] for order in (None, "file", "shuffled")]
        for metric in ("hit@20", "mrr@20"):
            # The very scores, but for the rounding of differently padded batches.
            assert np.ptp([test[metric] for test in tests]) < 0.005
    ranks = {order: found["batch_leaky", order, True]["mrr@20"] for order in ("file", "shuffled")}
    assert ranks["file"] != ranks["shuffled"]
    (path,) = (tmp_path / "leak").glob("shop-*.json")
    assert json.loads(path.read_text())["shares"]["train"]["any"] > 0
    before = path.stat().st_mtime_ns
    main(arguments)
    assert path.stat().st_mtime_ns == before, "nothing is measured or trained again"


def test_records_of_further_orders_say_what_made_them(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may be of another day and machine than the audit that ranks its model anew."""
    places = {"data_path": shop_data, "results_dir": tmp_path, "checkpoint_dir": tmp_path / "saved"}
    quick = {"refit": False, "epochs": 1, "embedding_size": 8, "graph_exclude_self": True}
    settings = {key: str(value) for key, value in places.items()} | quick
    cell = Cell("A2DMTL", "shop", settings | {"session_bank": "none"}, orders=("file",))
    engines.run_cell(cell, "the run")
    (path,) = (tmp_path / "records").glob("*-file_order.json")
    path.unlink()
    monkeypatch.setattr(records, "source_commit", lambda: "of the audit")
    monkeypatch.setattr(records, "machine", lambda threads, *_: {"processor": "of the audit"})
    assert not engines.run_cell(cell, "the run").error
    run, order = (read_record(p) for p in (path.with_name(f"{path.stem[:-11]}.json"), path))
    assert (run.command, run.commit != "of the audit") == ("the run", True)
    assert order.commit == order.machine["processor"] == "of the audit"
    first, *words = shlex.split(order.command)[1:]
    assert first == "run_recbole_a2d.py" and words[:2] == ["benchmark", "leak"]
    request = parse(words[1:])
    assert (request.suite.name, request.datasets) == ("leak", ["shop"])
    assert request.settings["epochs"] == 1 and not request.settings.keys() & LEAK_KEYS


@pytest.fixture
def audited(shop_data: Path, tmp_path: Path) -> Cell:
    """A finished cell of the audit, small, with the record of one order."""
    places = {"data_path": shop_data, "results_dir": tmp_path, "checkpoint_dir": tmp_path / "saved"}
    quick = {"refit": False, "epochs": 2, "embedding_size": 8, "show_progress": False}
    settings = {key: str(value) for key, value in places.items()} | quick
    cell = Cell("A2DMTL", "shop", settings, orders=("file",))
    assert not engines.run_cell(cell, "the run").error
    return cell


def test_orders_of_a_model_that_is_no_more_are_ranked_anew(audited: Cell, tmp_path: Path) -> None:
    assert plan([audited], [])[0].finished
    (path,) = (tmp_path / "records").glob("*-file_order.json")
    run = path.with_name(path.name.replace("-file_order", ""))
    content = json.loads(run.read_text())
    run.write_text(json.dumps(content | {"valid": {"mrr@20": 0.5}}))  # --fresh, by other code
    before = path.stat().st_mtime_ns
    assert not plan([audited], [])[0].finished
    assert not engines.run_cell(audited, "the run").error
    assert path.stat().st_mtime_ns > before
    assert plan([audited], [])[0].finished


def test_a_model_made_again_for_an_order_goes_on_when_killed(
    audited: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is older than a switch and came without its checkpoint, as from another place."""
    (order,) = (tmp_path / "records").glob("*-file_order.json")
    run = order.with_name(order.name.replace("-file_order", ""))
    content = json.loads(run.read_text())
    del content["config"]["mix_votes"]
    older = "shop-A2DMTL-00000000"
    run.with_name(f"{older}.json").write_text(json.dumps(content | {"run": older}))
    order.unlink(), run.unlink(), shutil.rmtree(tmp_path / "saved")
    fit, trained = SessionTrainer._train_epoch, []

    def cut_off(self: SessionTrainer, data: Any, epoch: int, *rest: Any) -> float:
        trained.append(epoch)
        if trained == [0, 1]:
            raise KeyboardInterrupt
        return fit(self, data, epoch, *rest)

    monkeypatch.setattr(SessionTrainer, "_train_epoch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        engines.run_cell(audited, "the run")
    assert plan([audited], [])[0].epochs_done == 1
    assert not engines.run_cell(audited, "the run").error
    assert trained == [0, 1, 1], "the first epoch is not trained again"
    assert plan([audited], [])[0].finished


def test_shares_are_of_the_whole_data_set(shop_data: Path, tmp_path: Path) -> None:
    found = []
    for share in (1.0, 0.5):
        places = {"data_path": str(shop_data), "results_dir": str(tmp_path / f"{share}")}
        config = build_config("A2DMTL", "shop", overrides=places | {"train_fraction": share})
        found.append(json.loads(leak.write_label_shares(config).read_text())["shares"])
    assert found[0] == found[1]


def test_every_number_of_neighbours_keeps_its_shares(shop_data: Path, tmp_path: Path) -> None:
    def measured(neighbors: int) -> Path:
        places = {"data_path": str(shop_data), "results_dir": str(tmp_path)}
        config = build_config("A2DMTL", "shop", overrides=places | {"bank_neighbors": neighbors})
        return leak.write_label_shares(config)

    first, second = measured(1), measured(9)
    fingerprint = json.loads(first.read_text())["data_fingerprint"]
    found = read_label_shares(tmp_path, "shop", fingerprint)
    assert sorted(found) == [1, 9]
    few, many = (found[r]["shares"]["batch_leaky"]["shuffled"] for r in (1, 9))
    assert few < many
    first.rename(first.with_name(f"shop-{fingerprint}.json"))  # as it was called before
    assert read_label_shares(tmp_path, "shop", fingerprint) == found
    before = second.stat().st_mtime_ns
    assert not measured(1).exists() and measured(9).stat().st_mtime_ns == before


def test_rows_stand_beside_the_shares_of_their_own_number(make_record: Any) -> None:
    banks = ("none", "batch_leaky")
    records = [make_record(session_bank=bank, bank_neighbors=2) for bank in banks]
    settings = [
        Setting(name, "batch_leaky", neighbors, {LENGTH: Entry("A2DMTL", "full", (), (record,))})
        for name, neighbors, record in zip("ab", (2, 7), records, strict=True)
    ]
    shares = {r: {"batch": 100, "shares": {"batch_leaky": {"file": r / 10}}} for r in (2, 5)}
    table = leak_table(settings, shares)
    assert [row[-2].text for row in table.rows] == ["20.0", NOTHING]
    assert table.notes[0].startswith("Answer near: random vectors, 2 nearest, batches of 100")
    assert leak_table(settings, {}).notes == []


def test_the_committed_shares_are_read() -> None:
    results = Path(__file__).parents[2] / "results"
    ((neighbors, content),) = read_label_shares(results, "diginetica", "d250a4da83f53c0a").items()
    assert neighbors == 3
    assert content["shares"]["batch_leaky"]["file"] == pytest.approx(0.77, abs=1e-3)


def test_a_folder_that_cannot_be_written_to_is_told_before_measuring(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leak, "label_shares", lambda *_: pytest.fail("measured"))
    (tmp_path / "taken").write_text("")
    places = {"data_path": str(shop_data), "results_dir": str(tmp_path / "taken")}
    config = build_config("A2DMTL", "shop", overrides=places)
    with pytest.raises(UserError, match="cannot be written to .*; choose --results_dir"):
        leak.write_label_shares(config)


@pytest.mark.parametrize(
    "damage",
    [{"batch": None}, {"neighbors": "3"}, {"shares": []}]
    + [{"shares": {"batch_leaky": {"file": share}}} for share in ("x", 7, None)]
    + [{"shares": {"batch_leaky": {"file": 0.5}, "train": 0.5}}],
)
def test_damage_inside_an_audit_is_named(tmp_path: Path, damage: dict[str, Any]) -> None:
    content = {"neighbors": 3, "batch": 100, "shares": {"batch_leaky": {"file": 0.5}}}
    path = tmp_path / "leak" / "shop-1-r3.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    assert read_label_shares(tmp_path, "shop", "1") == {3: content}
    path.write_text(json.dumps(content | damage))
    with pytest.raises(UserError, match="r3.json: not a leak audit .*; delete it and run again"):
        read_label_shares(tmp_path, "shop", "1")


def test_damaged_audit_is_named(tmp_path: Path) -> None:
    assert read_label_shares(tmp_path, "shop", "1") == {}
    (tmp_path / "leak").mkdir()
    (tmp_path / "leak" / "shop-1.json").write_text("{}")
    with pytest.raises(UserError, match="delete it and run again"):
        read_label_shares(tmp_path, "shop", "1")
