"""A finished run's folder is whole, small, self-contained and read without trust."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_a2d import records
from recbole_a2d.checkpoint import save_checkpoint
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.phases import ExperimentData, dataset_folder
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import run_experiment
from recbole_a2d.recommend import Recommender
from recbole_a2d.saved_run import read_saved_run


@pytest.fixture
def saved(shop_config: Any, tmp_path: Path) -> Path:
    return tmp_path / "saved" / run_experiment(shop_config(epochs=1), "GRU4Rec").run


def test_holds_what_the_model_was_trained_on(saved: Path, shop_config: Any) -> None:
    config = shop_config(epochs=1)
    truth = ExperimentData(read_atomic(dataset_folder(config)), config).final
    run = read_saved_run(saved)
    assert (run.name, run.model, run.dataset.name) == (saved.name, "GRU4Rec", "shop")
    np.testing.assert_array_equal(run.dataset.train.items, truth.train.items)
    np.testing.assert_array_equal(run.dataset.train.offsets, truth.train.offsets)
    np.testing.assert_array_equal(run.dataset.category_of_item, truth.category_of_item)
    assert run.dataset.item_tokens.tolist() == truth.item_tokens.tolist()
    assert run.dataset.category_tokens.tolist() == truth.category_tokens.tolist()
    assert run.dataset.num("session_id") == truth.num("session_id")
    assert run.settings == json.loads(json.dumps(records.read_record(_record(saved)).config))
    assert run.config()["embedding_size"] == 16


def _record(saved: Path) -> Path:
    return saved.parents[1] / "results" / "records" / f"{saved.name}.json"


def test_no_test_click_is_in_it(saved: Path, shop_data: Path) -> None:
    tables = read_atomic(shop_data / "shop")
    only_in_test = set(tables.item_tokens[tables.n_training_items :])
    assert only_in_test, "the small shop has items that only its test sessions hold"
    assert not only_in_test & set(read_saved_run(saved).dataset.item_tokens)


def test_either_folder_may_be_named_and_moved(saved: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(saved / "final", moved)
    assert read_saved_run(moved).settings == read_saved_run(saved).settings


def test_a_run_older_than_some_switches(shop_config: Any, tmp_path: Path) -> None:
    run = run_experiment(shop_config("A2DMTL", epochs=1), "A2DMTL").run
    folder = tmp_path / "saved" / run
    wanted = read_saved_run(folder).config()
    facts_file = folder / "final" / "run.json"
    facts = json.loads(facts_file.read_text())
    younger = ("memory", "memory_rules", "memory_learns", "train_candidates")
    for key in younger:
        del facts["settings"][key]
    facts_file.write_text(json.dumps(facts))
    found = read_saved_run(folder).config()
    assert [found[key] for key in younger] == [wanted[key] for key in younger]
    Recommender.load(folder)


def test_a_method_without_parameters_stores_its_sessions_once(
    shop_config: Any, tmp_path: Path
) -> None:
    run = run_experiment(shop_config("VSKNN"), "VSKNN").run
    folder = tmp_path / "saved" / run / "final"
    assert read_saved_run(folder).weights == {}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000


def test_without_refit_the_chosen_weights_are_kept(shop_config: Any, tmp_path: Path) -> None:
    run = run_experiment(shop_config(refit=False), "GRU4Rec").run
    chosen = torch.load(tmp_path / "saved" / run / "select" / "best.pt", weights_only=True)
    kept = read_saved_run(tmp_path / "saved" / run)
    assert all(torch.equal(kept.weights[n], w) for n, w in chosen["tensors"]["model"].items())
    assert len(kept.dataset.train) == 228, "train alone, without the validation sessions"


@pytest.mark.parametrize("name", ["run.json", "data.npz", "best.pt"])
@pytest.mark.parametrize("size", [0, 7, 300])
def test_damaged_files(name: str, size: int, saved: Path) -> None:
    path = saved / "final" / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=rf"{name}: .*copy the run's whole folder .*--fresh"):
        read_saved_run(saved)


@pytest.mark.parametrize("name", ["data.npz", "best.pt"])
def test_a_file_that_was_not_copied(name: str, saved: Path) -> None:
    (saved / "final" / name).unlink()
    with pytest.raises(UserError) as raised:
        read_saved_run(saved)
    told = str(raised.value)
    assert told.count(name) == 1 and "No such file" in told and "Errno" not in told
    assert "copy the run's whole folder" in told and "training command again" in told


def test_facts_nested_without_end(saved: Path) -> None:
    (saved / "final" / "run.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"run\.json: cannot be read"):
        read_saved_run(saved)


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(UserError, match="no finished run"):
        read_saved_run(Path("x" * 5000))


def test_flipped_bytes_are_no_crash(saved: Path) -> None:
    path = saved / "final" / "data.npz"
    whole = path.read_bytes()
    for place in range(40, len(whole), len(whole) // 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            read_saved_run(saved)
        except UserError:
            continue


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 99),
        ("model", None),
        ("model", "foo"),
        ("model", "recbole.foo"),
        ("model", "../run"),
        ("settings", []),
        ("max_length", -1),
        ("max_length", "50"),
        ("held_out_sessions", 10**15),
        ("epochs", None),
    ],
)
def test_damaged_facts(key: str, value: Any, saved: Path) -> None:
    path = saved / "final" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UserError, match=rf"run\.json: '?{key}"):
        read_saved_run(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("embedding_size", "big"), ("dropout_prob", []), ("eval_args", None), ("metrics", 5)),
        *(("eval_batch_size", value) for value in (0, -1, "x", None)),
    ],
)
def test_damaged_settings(key: str, value: Any, saved: Path) -> None:
    path = saved / "final" / "run.json"
    facts = json.loads(path.read_text())
    assert key in facts["settings"]
    facts["settings"][key] = value
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"settings in its run\.json build no GRU4Rec \(.*--fresh"):
        Recommender.load(saved)


@pytest.mark.parametrize("value", [None, 1, "x", [[]], {"torch": {}}])
def test_damaged_versions_are_nobodys_concern(value: Any, saved: Path) -> None:
    path = saved / "final" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": value}))
    Recommender.load(saved)


def test_unfinished_run(saved: Path) -> None:
    (saved / "final" / "run.json").unlink()
    with pytest.raises(UserError, match="no finished run"):
        read_saved_run(saved)
    with pytest.raises(UserError, match="no finished run"):
        read_saved_run(Path("/nowhere"))


def change(saved: Path, **arrays: Any) -> None:
    path = saved / "final" / "data.npz"
    with np.load(path) as content:
        merged = dict(content) | arrays
    np.savez_compressed(path, **merged)


@pytest.mark.parametrize(
    "arrays",
    [
        {"train_items": np.array([0, 1])},
        {"train_items": np.array([1.5])},
        {"category_of_item": np.array([1])},
        {"item_tokens": np.array([65], np.uint8)},
        {"train_lengths": np.array([[1]])},
    ],
    ids=str,
)
def test_arrays_that_do_not_fit(arrays: Any, saved: Path) -> None:
    change(saved, **arrays)
    with pytest.raises(UserError, match=r"data\.npz: cannot be read"):
        read_saved_run(saved)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (Path("bomb-went-off"),)  # type: ignore[return-value]


def test_code_in_the_arrays_does_not_run(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change(saved, item_tokens=np.array([Bomb()], dtype=object))
    with pytest.raises(UserError):
        read_saved_run(saved)
    (saved / "final" / "data.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        read_saved_run(saved)
    assert not Path("bomb-went-off").exists()


def test_weights_of_another_model(saved: Path) -> None:
    save_checkpoint(saved / "final" / "best.pt", {"model": {"x": torch.zeros(1)}}, {})
    with pytest.raises(UserError, match="do not fit GRU4Rec"):
        Recommender.load(saved)
    save_checkpoint(saved / "final" / "best.pt", {}, {})
    with pytest.raises(UserError, match="holds no model"):
        Recommender.load(saved)
