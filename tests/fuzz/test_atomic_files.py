"""Mutated atomic files against a plain reading of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_a2d.convert import main
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.data.tables import SPLITS
from recbole_a2d.errors import UserError


def rows_of(path: Path) -> list[tuple[str, str, float]]:
    """Session, item and time of every row, as a plain reader sees them."""
    lines = [line.decode().split("\t") for line in path.read_bytes().splitlines()]
    header, body = lines[0], lines[1:]
    places = [header.index(f) for f in ("session_id:token", "item_id:token", "timestamp:float")]
    return [(r[places[0]], r[places[1]], float(r[places[2]])) for r in body]


def categories_of(path: Path) -> dict[str, str]:
    """Item to category, as a plain reader sees them."""
    lines = [line.decode().split("\t") for line in path.read_bytes().splitlines()]
    places = [lines[0].index(field) for field in ("item_id:token", "category:token")]
    return {row[places[0]]: row[places[1]] for row in lines[1:]}


def convert_small_log(raw: Path, folder: Path) -> None:
    rows = [
        f"{n // 4},2014-04-{1 + n // 16:02d}T10:51:{n % 60:02d}.277Z,{n % 6},{n % 3}\n"
        for n in range(160)
    ]
    (raw / "yoochoose-clicks.dat").write_text("".join(rows))
    main(["yoochoose", "--raw", str(raw), "--fraction", "1", "--out", str(folder)])


@pytest.mark.parametrize("with_manifest", [True, False])
def test_atomic_files(tmp_path: Path, fuzz: Any, with_manifest: bool) -> None:
    folder = tmp_path / "toy"
    convert_small_log(tmp_path, folder)
    contents = {p.name: p.read_bytes() for p in folder.iterdir()}
    right = refused = 0
    for number, random in fuzz.cases():
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        if not with_manifest:
            (folder / "toy.json").unlink()
        name = random.choice(sorted(p.name for p in folder.iterdir()))
        changed = contents[name] if number % 20 == 0 else fuzz.mutate(contents[name], random)
        (folder / name).write_bytes(changed)
        found = fuzz.outcome(lambda: read_atomic(folder))
        if isinstance(found, UserError):
            refused += 1
            continue
        right += 1
        assert not with_manifest or changed == contents[name] or name == "toy.json", number
        for split in SPLITS:
            clicks = found.splits[split]
            names = clicks.session_tokens[clicks.sessions.session_of_click].tolist()
            items = found.item_tokens[clicks.sessions.items].tolist()
            got = list(zip(names, items, clicks.timestamps.tolist(), strict=True))
            assert got == rows_of(folder / f"toy.{split}.inter"), number
        names = [*found.category_tokens.tolist(), ""]
        training = found.item_tokens[: found.n_training_items].tolist()
        categories = categories_of(folder / "toy.item")
        for item, code in zip(training, found.category_of_code.tolist(), strict=False):
            assert names[code] == categories.get(item, ""), number
    fuzz.report("atomic files", right, refused)
