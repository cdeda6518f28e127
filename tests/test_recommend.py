"""Recommendations are the evaluator's ranks, from the saved folder alone."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_a2d import cli, records
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.errors import UserError
from recbole_a2d.experiment import run_experiment
from recbole_a2d.explain import as_text, explain
from recbole_a2d.explain_neighbors import nearest_by_shared_items
from recbole_a2d.explain_page import write_page
from recbole_a2d.model_list import MODELS
from recbole_a2d.recommend import Recommender, recommend
from recbole_a2d.recommend_command import main

SMALL = {"epochs": 1, "embedding_size": 8, "hidden_size": 8, "inner_size": 8}


def options_of(model: str) -> dict[str, Any]:
    """Few parameters for every model, by the keys that its own yaml knows."""
    from recbole_a2d.resources import properties_folder
    from recbole_a2d.yaml_files import read_yaml

    own = read_yaml(properties_folder() / "model" / f"{model}.yaml")
    return {key: value for key, value in SMALL.items() if key in own or key == "epochs"}


def run_and_move(model: str, shop_config: Any, tmp_path: Path, **changes: Any) -> tuple[Path, Any]:
    """Train, and leave only a copy of the final folder, far from data and records."""
    options = {"embedding_size": 8} | options_of(model) | changes
    record = run_experiment(shop_config(model, **options), model)
    alone = tmp_path / "alone"
    shutil.copytree(tmp_path / "saved" / record.run / "final", alone)
    ranks = records.read_ranks(tmp_path / "results", record.run)
    shutil.rmtree(tmp_path / "saved")
    return alone, ranks


def prefixes_and_targets(shop_data: Path) -> tuple[list[list[str]], list[str]]:
    tables = read_atomic(shop_data / "shop")
    prefixes, targets = [], []
    for session in range(len(tables.test)):
        tokens = tables.item_tokens[tables.test[session]].tolist()
        for end in range(1, len(tokens)):
            prefixes.append(tokens[:end])
            targets.append(tokens[end])
    return prefixes, targets


def check_ranks(run: Path, shop_data: Path, ranks: np.ndarray) -> None:
    recommender = Recommender.load(run)
    prefixes, targets = prefixes_and_targets(shop_data)
    everything = recommender.dataset.n_items
    answers = recommender.recommend(prefixes, everything)
    assert len(answers) == len(ranks)
    compared = 0
    for answer, target, rank in zip(answers, targets, ranks, strict=True):
        assert len(answer.items) == everything - 1 and len(set(answer.items)) == everything - 1
        if rank == 0:
            assert answer.popular or target not in answer.items
            continue
        score = answer.scores[answer.items.index(target)]
        assert sum(other >= score for other in answer.scores) == rank
        if answer.scores.count(score) == 1:
            compared += 1
            assert answer.items.index(target) + 1 == rank
    assert compared > 0 or len(set(answers[0].scores)) < 20


@pytest.mark.parametrize("model", sorted(MODELS))
def test_lists_are_the_evaluators_ranks(
    model: str, shop_config: Any, shop_data: Path, tmp_path: Path
) -> None:
    run, ranks = run_and_move(model, shop_config, tmp_path)
    check_ranks(run, shop_data, ranks)


@pytest.mark.parametrize(
    "changes",
    [
        {"session_bank": "train"},
        {"variant": "wo_cate"},
        {"variant": "wo_exp"},
        {"variant": "wo_spa"},
        {"variant": "as_printed"},
        {"refit": False},
        {"protocol": "test_selected"},
        {"MAX_ITEM_LIST_LENGTH": 2},
        {"memory": "both"},
    ],
    ids=str,
)
def test_every_form_of_the_model_comes_back(
    changes: dict[str, Any], shop_config: Any, shop_data: Path, tmp_path: Path
) -> None:
    run, ranks = run_and_move("A2DMTL", shop_config, tmp_path, **changes)
    check_ranks(run, shop_data, ranks)
    explanation = explain(Recommender.load(run), prefixes_and_targets(shop_data)[0][5], 5)
    assert as_text(explanation)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, shop_data: Path) -> Path:
    from recbole_a2d.config import build_config

    home = tmp_path_factory.mktemp("trained")
    places = {
        "data_path": str(shop_data),
        "results_dir": str(home / "results"),
        "checkpoint_dir": str(home / "saved"),
        "show_progress": False,
    }
    quick = {"embedding_size": 8, "epochs": 2, "learning_rate": 0.02, "train_batch_size": 64}
    config = build_config("A2DMTL", "shop", overrides=places | quick)
    return home / "saved" / run_experiment(config, "A2DMTL").run


@pytest.fixture(scope="module")
def recommender(trained: Path) -> Recommender:
    return Recommender.load(trained)


def known_items(recommender: Recommender, count: int) -> list[str]:
    return recommender.dataset.item_tokens[1 : count + 1].tolist()


def test_unknown_clicks_change_nothing_but_are_named(recommender: Recommender) -> None:
    a, b = known_items(recommender, 2)
    plain, noisy = recommender.recommend([[a, b], ["?", a, "??", b]])
    assert noisy.items == plain.items
    assert np.allclose(noisy.scores, plain.scores, rtol=1e-3)
    assert (plain.unknown, noisy.unknown) == ([], ["?", "??"])
    assert not noisy.popular


def test_a_session_without_a_known_click_gets_what_sells_best(recommender: Recommender) -> None:
    train = recommender.dataset.train.items
    counts = np.bincount(train, minlength=recommender.dataset.n_items)
    for session in (["?"], []):
        answer = recommender.recommend([session], 10)[0]
        assert answer.popular and answer.unknown == session
        ids = [recommender.id_of_token[item] for item in answer.items]
        assert [counts[i] for i in ids] == sorted(counts[1:], reverse=True)[:10] == answer.scores


def test_one_by_one_and_together(recommender: Recommender) -> None:
    tokens = known_items(recommender, 60)
    sessions = [tokens[start : start + 1 + start % 7] for start in range(0, 50)] + [["?"], []]
    together = recommender.recommend(sessions, 5)
    alone = [recommender.recommend([session], 5)[0] for session in sessions]
    for one, other in zip(together, alone, strict=True):
        assert np.allclose(one.scores, other.scores, rtol=2e-2)
        assert one.popular == other.popular
    assert sum(a.items[0] == b.items[0] for a, b in zip(together, alone, strict=True)) >= 50
    assert recommender.recommend([]) == []


def test_exclude_seen(recommender: Recommender) -> None:
    session = known_items(recommender, 3)
    count = recommender.dataset.n_items - 1
    everything = recommender.recommend([session], count)[0]
    rest = recommender.recommend([session], count, exclude_seen=True)[0]
    assert rest.items == [item for item in everything.items if item not in session]
    assert len(rest.items) == len(rest.scores) == count - 3
    again = recommender.recommend([session], count)[0]
    assert again == everything, "scores kept between calls are not touched"


def test_raw_ids_may_be_numbers(trained: Path) -> None:
    assert recommend(trained, [[123456789]], k=3)[0].unknown == ["123456789"]


def test_k_below_one(trained: Path) -> None:
    with pytest.raises(UserError, match="at least one"):
        recommend(str(trained), [["a"]], k=0)


# ---------------------------------------------------------------------- explanations


def test_explanation_of_clicks(recommender: Recommender) -> None:
    a, b, c = known_items(recommender, 3)
    found = explain(recommender, [a, "?", b, c], k=5, near=3)
    assert [click.used for click in found.clicks] == [True, False, True, True]
    weights = [click.weight for click in found.clicks if click.weight is not None]
    assert len(weights) == 3 and sum(weights) == pytest.approx(1, abs=1e-2)
    chances = [chance for _, chance in found.categories]
    assert chances == sorted(chances, reverse=True) and 0 < sum(chances) <= 1 + 1e-6
    assert found.alpha is not None and 1 < found.alpha < 2
    assert found.answer == recommender.recommend([[a, "?", b, c]], 5)[0]
    assert len(found.near) == 3
    similarities = [near.similarity for near in found.near]
    assert similarities == sorted(similarities, reverse=True)
    without_b = recommender.recommend([[a, c]], recommender.dataset.n_items)[0].items
    assert found.clicks[2].rank_without == without_b.index(found.answer.items[0]) + 1


@pytest.mark.parametrize("exclude_seen", [False, True])
@pytest.mark.parametrize("model", ["A2DMTL", "SR", "SKNN", "ItemKNN", "MSGIFSR"])
def test_places_without_a_click_are_those_of_the_lists(
    model: str, exclude_seen: bool, shop_config: Any, shop_data: Path, tmp_path: Path
) -> None:
    """With the ties of methods that count, and with a session's own items left out."""
    run, _ = run_and_move(model, shop_config, tmp_path)
    recommender = Recommender.load(run)
    sessions = [session for session in prefixes_and_targets(shop_data)[0] if len(session) > 1]
    compared = 0
    for session in sessions[:40]:
        found = explain(recommender, session, 5, exclude_seen)
        for at, click in enumerate(found.clicks):
            if click.rank_without is None:
                continue
            rest = session[:at] + session[at + 1 :]
            (listed,) = recommender.recommend([rest], recommender.dataset.n_items, exclude_seen)
            assert listed.items.index(found.answer.items[0]) + 1 == click.rank_without
            compared += 1
    assert compared > 20


def test_a_model_that_reads_less_uses_less(shop_config: Any, tmp_path: Path) -> None:
    run, _ = run_and_move("CLHHN", shop_config, tmp_path, max_clicks=2)
    recommender = Recommender.load(run)
    found = explain(recommender, known_items(recommender, 4))
    assert [click.used for click in found.clicks] == [False, False, True, True]


def test_a_training_session_is_nearest_to_itself(recommender: Recommender) -> None:
    dataset = recommender.dataset
    number = int(np.flatnonzero(dataset.train.lengths >= 4)[0])
    session = dataset.item_tokens[dataset.train[number]].tolist()
    near = explain(recommender, session, near=1).near[0]
    assert near.similarity == pytest.approx(1, abs=1e-5)
    assert all(near.shared)


def test_clicks_too_far_back_are_not_used(shop_config: Any, tmp_path: Path) -> None:
    run, _ = run_and_move("A2DMTL", shop_config, tmp_path, MAX_ITEM_LIST_LENGTH=2)
    recommender = Recommender.load(run)
    found = explain(recommender, known_items(recommender, 4))
    assert [click.used for click in found.clicks] == [False, False, True, True]


def test_trends_say_what_counts_lately(shop_config: Any, tmp_path: Path) -> None:
    run, _ = run_and_move("A2DMTL", shop_config, tmp_path, trend_slices=4)
    recommender = Recommender.load(run)
    with torch.no_grad():
        recommender.model.trends.weight.copy_(torch.tensor([0.5, 0.0, 0.0, 0.0]))
    (told,) = explain(recommender, known_items(recommender, 2)).notes
    assert "latest of 4 slices" in told and "about 3.2 times as likely" in told


def test_an_answer_with_memory_says_whose_it_is(shop_config: Any, tmp_path: Path) -> None:
    run, _ = run_and_move("A2DMTL", shop_config, tmp_path, memory="both")
    recommender = Recommender.load(run)
    (told,) = explain(recommender, known_items(recommender, 2)).notes
    assert told.startswith("The answer is ") and "the model" in told
    assert "what followed the last click" in told and "votes of the nearest sessions" in told
    shares = [int(word) for word in told.split() if word.isdigit()]
    assert len(shares) == 3 and abs(sum(shares) - 100) <= 1


def test_models_without_attention_say_so(shop_config: Any, tmp_path: Path) -> None:
    run, _ = run_and_move("SKNN", shop_config, tmp_path)
    recommender = Recommender.load(run)
    session = known_items(recommender, 2)
    found = explain(recommender, session)
    assert "no sparse attention" in found.notes[0] and "no sparse attention" in as_text(found)
    assert all(click.weight is None for click in found.clicks)
    assert found.near and all(any(near.shared) for near in found.near)


def test_nothing_known(recommender: Recommender, tmp_path: Path) -> None:
    found = explain(recommender, ["?", "<b>"])
    assert found.answer.popular and not found.near and "what sells best" in found.notes[0]
    page = write_page(tmp_path / "p.html", [found]).read_text()
    assert "&lt;b&gt;" in page and "<b><" not in page


def test_shared_items_against_a_loop(recommender: Recommender) -> None:
    train = recommender.dataset.train
    known = np.array([1, 5, 5, 9])
    plain = []
    for number in range(len(train)):
        mine, theirs = set(known.tolist()), set(train[number].tolist())
        if mine & theirs:
            plain.append((-len(mine & theirs) / (len(mine) * len(theirs)) ** 0.5, -number))
    plain.sort()
    numbers, similarity = nearest_by_shared_items(train, known, 10)
    assert np.allclose(similarity, [-value for value, _ in plain[:10]])
    assert numbers.tolist() == [-number for _, number in plain[:10]]


def test_switched_off_clicks_are_drawn_as_such(recommender: Recommender, tmp_path: Path) -> None:
    from dataclasses import replace

    found = explain(recommender, known_items(recommender, 3))
    off = replace(found.clicks[1], weight=0.0)
    assert off.switched_off and not found.clicks[0].switched_off
    clicks = [found.clicks[0], off, found.clicks[2]]
    page = write_page(tmp_path / "p.html", [replace(found, clicks=clicks)]).read_text()
    assert page.count("class='click off'") == 1 and "http" not in page
    assert "switched off" in as_text(replace(found, clicks=clicks))


# ---------------------------------------------------------------------- the command


def test_one_session_as_a_table(trained: Path, recommender: Recommender, capsys: Any) -> None:
    session = known_items(recommender, 2)
    main(["--run", str(trained), "--session", " ".join([*session, "nope"]), "-k", "3"])
    out, err = capsys.readouterr()
    words = [line.split()[1] for line in out.splitlines()[1:]]
    assert words == recommender.recommend([session], 3)[0].items
    assert "1 of 3 clicks are unknown" in err and "nope" in err


def test_a_file_line_by_line(
    trained: Path, recommender: Recommender, tmp_path: Path, capsys: Any
) -> None:
    a, b = known_items(recommender, 2)
    (tmp_path / "in.txt").write_text(f"{a} {b}\n?\n\n{b}\n")
    words = ["--run", str(trained), "--input", str(tmp_path / "in.txt"), "-k", "4"]
    main(words)
    out, err = capsys.readouterr()
    answers = recommender.recommend([[a, b], ["?"], [], [b]], 4)
    assert [line.split() for line in out.splitlines()] == [answer.items for answer in answers]
    assert "2 of 4 sessions have no known click" in err and "session 2, 3" in err
    main([*words, "--json", "--out", str(tmp_path / "out" / "x.jsonl")])
    lines = (tmp_path / "out" / "x.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [vars(answer) for answer in answers]


def test_explain_writes_a_page(
    trained: Path, recommender: Recommender, tmp_path: Path, capsys: Any
) -> None:
    item = known_items(recommender, 1)[0]
    page = tmp_path / "why.html"
    main(["--run", str(trained), "--session", item, "--explain", str(page)])
    assert "expected next categories" in capsys.readouterr().out
    assert item in page.read_text() and page.stat().st_size < 30_000


def test_explanations_as_json(
    trained: Path, recommender: Recommender, tmp_path: Path, capsys: Any
) -> None:
    a, b = known_items(recommender, 2)
    page, lines = tmp_path / "why.html", tmp_path / "why.jsonl"
    words = ["--run", str(trained), "--session", f"{a} {b}", "--session", b, "-k", "3"]
    words += ["--json", "--explain", str(page)]
    main(words)
    out, err = capsys.readouterr()
    told = [json.loads(line) for line in out.splitlines()]
    assert told == [
        json.loads(json.dumps(asdict(explain(recommender, session, 3))))
        for session in ([a, b], [b])
    ]
    assert [click["item"] for click in told[0]["clicks"]] == [a, b]
    assert told[1]["answer"]["items"] == recommender.recommend([[b]], 3)[0].items
    assert err == f"page: {page}\n" and page.exists()
    main([*words, "--out", str(lines)])
    assert capsys.readouterr().out == "" and lines.read_text() == out


def test_several_sessions(trained: Path, recommender: Recommender, capsys: Any) -> None:
    a, b = known_items(recommender, 2)
    main(["--run", str(trained), "--session", a, "--session", f"{b} ?", "-k", "3"])
    out, err = capsys.readouterr()
    assert "1 of 3 clicks are unknown" in err
    tables = [table.splitlines() for table in out.split("\n\n")]
    assert [table[0] for table in tables] == ["session 1", "session 2"]
    listed = [[line.split()[1] for line in table[2:]] for table in tables]
    assert listed == [answer.items for answer in recommender.recommend([[a], [b]], 3)]


def test_ids_that_hold_blanks(trained: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    blank, other = rename_items(run / "final", ["red shoe, [new]", "[hat"])
    for words in (
        ["--session", f'["{blank}", "{other}"]'],
        ["--session", f"{blank}; {other}", "--delimiter", ";"],
        ["--session", f'"{blank}",{other}', "--delimiter", ","],
    ):
        main(["--run", str(run), *words, "--json", "-k", "3"])
        out, err = capsys.readouterr()
        assert json.loads(out)["unknown"] == [] and err == ""
    (tmp_path / "in.csv").write_text(f'"{blank}",{other}\n')
    main(["--run", str(run), "--input", str(tmp_path / "in.csv"), "--delimiter", ",", "-k", "999"])
    everything = Recommender.load(run).recommend([[blank, other]], 999)[0].items
    assert blank in everything
    assert next(csv.reader([capsys.readouterr().out.strip()])) == everything


def rename_items(final: Path, names: list[str]) -> list[str]:
    """Give the first items of a saved run other names."""
    from recbole_a2d.saved_run import _pack

    tokens = Recommender.load(final).dataset.item_tokens
    tokens[1 : len(names) + 1] = names
    with np.load(final / "data.npz") as content:
        packed, lengths = _pack(tokens)
        arrays = dict(content) | {"item_tokens": packed, "item_token_lengths": lengths}
    np.savez_compressed(final / "data.npz", **arrays)
    return names


@pytest.mark.parametrize(
    "text", ["session,item\ns1,KNOWN\n", '{"clicks": ["KNOWN"]}\n', "KNOWN,KNOWN\n"]
)
def test_an_input_without_any_known_click(
    text: str, trained: Path, recommender: Recommender, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "in.txt"
    path.write_text(text.replace("KNOWN", known_items(recommender, 1)[0]))
    unknown = path.read_text().split()[0]
    with pytest.raises(UserError, match="knows none of the clicks") as raised:
        main(["--run", str(trained), "--input", str(path), "--out", str(tmp_path / "out")])
    told = str(raised.value)
    assert told.startswith(f"{path}: ") and repr(unknown) in told and "--delimiter" in told
    assert told.split("look like '")[1].split("'")[0] in recommender.id_of_token
    assert capsys.readouterr() == ("", "") and not (tmp_path / "out").exists()


def test_a_known_click_too_far_back_is_a_known_click(
    trained: Path, recommender: Recommender, capsys: Any
) -> None:
    words = " ".join([*known_items(recommender, 1), *(f"u{n}" for n in range(60))])
    main(["--run", str(trained), "--session", words, "-k", "1"])
    assert "no known click" in capsys.readouterr().err


def test_options_are_refused_before_anything_is_printed(
    trained: Path, recommender: Recommender, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "file").write_text("mine")
    item = known_items(recommender, 1)[0]
    for words, told in [
        (["--explain", str(tmp_path)], "is a folder"),
        (["--out", str(tmp_path)], "is a folder"),
        (["--out", str(tmp_path / "a"), "--explain", str(tmp_path / "a")], "different files"),
        (["--explain", str(tmp_path / "file" / "page.html")], "is no folder to write to"),
    ]:
        assert cli.main(["recommend", "--run", str(trained), "--session", item, *words]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: --") and err.count("\n") == 1 and told in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--session", "a", "-k", "abc"], "argument -k: invalid int value"),
        ([], "--session --input is required"),
        (["--session", "a", "--input", "b"], "not allowed with"),
        (["--session", "a", "--sesion"], "unrecognized arguments: --sesion"),
    ],
)
def test_bad_options_are_one_line(words: list[str], told: str, capsys: Any) -> None:
    assert cli.main(["recommend", "--run", "r", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert told in err and "recommend --help" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--run", "/nowhere", "--session", "a"], "no finished run"),
        (["--run", "RUN", "--input", "/nowhere"], "cannot be read"),
        (["--run", "RUN", "--input", "EMPTY"], "is empty"),
        (["--run", "RUN", "--input", "BLANK"], "holds no click"),
        (["--run", "RUN", "--session", ""], "--session is empty"),
        (["--run", "RUN", "--session", "a", "--session", " "], "--session is empty"),
        (["--run", "RUN", "--session", "a", "--delimiter", ""], "one character"),
        (["--run", "RUN", "--session", "a,b"], "--session: this run knows none"),
        (["--run", "RUN", "--session", "a", "-k", "0"], "at least one"),
        (["--run", "RUN", "--input", "LONG", "--explain", "PAGE"], "long holds 51"),
        (["--run", "RUN", *["--session=a"] * 51, "--explain", "PAGE"], "--session holds 51"),
    ],
)
def test_bad_input(words: list[str], told: str, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "blank").write_text(" \n\n")
    (tmp_path / "long").write_text("a\n" * 51)
    names = {name: tmp_path / name.lower() for name in ("EMPTY", "BLANK", "LONG", "PAGE")}
    places = names | {"RUN": trained}
    with pytest.raises(UserError, match=told):
        main([str(places.get(word, word)) for word in words])
