"""Mutated and hostile pickles of published sessions."""

from __future__ import annotations

import io
import pickle
import pickletools
import shutil
from pathlib import Path
from typing import Any

from recbole_a2d.convert import main
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.errors import UserError

NOISE = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
ATTACKS = [
    b"cos\nsystem\n(S'true'\ntR",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R",
    b"(S'true'\nios\nsystem\n",
    b"}b",
    b"h\x00" * 50,
    b"2" * 60,
    b"\x8a\xff" + b"\x7f" * 255,
    b"]" * 300,
    b"r\xff\xff\xff\xff",
]


def published(folder: Path) -> dict[str, bytes]:
    sessions = [[1 + (n * k) % 7 for k in range(1, 4)] for n in range(1, 30)]
    rows = [(s[:k], s[k]) for s in sessions[:6] for k in (2, 1)]
    contents = {
        "all_train_seq.txt": sessions,
        "test.txt": ([prefix for prefix, _ in rows], [target for _, target in rows]),
        "category.txt": {item: 100 + item % 3 for item in range(1, 8)},
    }
    return {name: pickle.dumps(content, 2 + len(name) % 3) for name, content in contents.items()}


class RefusingUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise AssertionError(f"the file names {module}.{name}")


def refusing_load(path: Path) -> Any:
    """What Python's own reader makes of the file, without version, frames and memo."""
    content = path.read_bytes()
    codes = list(pickletools.genops(content))
    starts = [position for _, _, position in codes]
    parts = [content[a:b] for a, b in zip(starts, [*starts[1:], starts[-1] + 1], strict=True)]
    kept = [part for part, (code, _, _) in zip(parts, codes, strict=True) if code.name not in NOISE]
    return RefusingUnpickler(io.BytesIO(b"".join(kept))).load()


def loaded(folder: Path) -> dict[str, Any]:
    """The content of the files; categories of items that nobody trains on are not written."""
    content = {path.name: refusing_load(path) for path in folder.iterdir()}
    trained = {item for session in content["all_train_seq.txt"] for item in session}
    categories = content["category.txt"].items()
    content["category.txt"] = {item: value for item, value in categories if item in trained}
    return content


def written(folder: Path) -> dict[str, Any]:
    """The content of the published files, made again from the atomic ones."""
    tables = read_atomic(folder)
    sessions = {
        split: [list(map(int, tables.item_tokens[codes])) for codes in clicks.sessions]
        for split, clicks in tables.splits.items()
    }
    rows = [(s[:k], s[k]) for s in sessions["test"] for k in range(len(s) - 1, 0, -1)]
    names = tables.category_tokens.tolist()
    return {
        "all_train_seq.txt": sessions["train"] + sessions["valid"],
        "test.txt": ([prefix for prefix, _ in rows], [target for _, target in rows]),
        "category.txt": {
            int(item): int(names[code])
            for item, code in zip(tables.item_tokens, tables.category_of_code, strict=True)
            if code >= 0
        },
    }


def test_published_pickles(tmp_path: Path, fuzz: Any) -> None:
    contents = published(tmp_path)
    (tmp_path / "raw").mkdir()
    right = refused = 0
    for number, random in fuzz.cases():
        for name, content in contents.items():
            (tmp_path / "raw" / name).write_bytes(content)
        name = random.choice(sorted(contents))
        content = contents[name]
        if random.random() < 0.3:
            place = random.randrange(len(content))
            content = content[:place] + random.choice(ATTACKS) + content[place:]
        (tmp_path / "raw" / name).write_bytes(fuzz.mutate(content, random))
        out = tmp_path / "out" / "toy"
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        words = ["published", "--raw", str(tmp_path / "raw"), "--out", str(out)]
        found = fuzz.outcome(lambda w=words: main(w))
        if isinstance(found, UserError):
            refused += 1
            assert not out.exists(), number
        else:
            right += 1
            assert written(out) == loaded(tmp_path / "raw"), number
    fuzz.report("pickles", right, refused)
