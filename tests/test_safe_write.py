"""Writing that is cut short, at every point, leaves the former files whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from recbole_a2d.convert import main
from recbole_a2d.data.atomic import read_atomic
from recbole_a2d.errors import UserError
from recbole_a2d.safe_write import replaced_file, replaced_folder, restore_former


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, text: str) -> None:
    with replaced_folder(folder, {f"{folder.name}.txt"}) as fresh:
        (fresh / f"{folder.name}.txt").write_text(text)


def write_half(path: Path) -> None:
    path.write_text("half")
    raise TypeError


def test_a_new_and_a_replaced_folder(tmp_path: Path) -> None:
    for text in ("one", "two"):
        fill(tmp_path / "deep" / "toy", text)
        assert (tmp_path / "deep" / "toy" / "toy.txt").read_text() == text
        assert names(tmp_path / "deep") == ["toy"]


def test_an_error_leaves_the_former(tmp_path: Path) -> None:
    fill(tmp_path / "toy", "one")
    with pytest.raises(TypeError), replaced_folder(tmp_path / "toy", {"toy.txt"}) as fresh:
        write_half(fresh / "toy.txt")
    assert (tmp_path / "toy" / "toy.txt").read_text() == "one"
    assert names(tmp_path) == ["toy"]


def test_a_former_folder_is_brought_back(tmp_path: Path) -> None:
    fill(tmp_path / "toy", "one")
    os.rename(tmp_path / "toy", tmp_path / ".toy.former")  # died between the two renames
    restore_former(tmp_path / "toy")
    assert (tmp_path / "toy" / "toy.txt").read_text() == "one"
    (tmp_path / ".toy.former").mkdir()  # died before the former was deleted
    restore_former(tmp_path / "toy")
    fill(tmp_path / "toy", "two")
    assert names(tmp_path) == ["toy"]


def test_a_failed_rename_brings_the_former_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "toy", "one")
    rename = os.rename

    def fail_on_new(old: Path, new: Path) -> None:
        if old.name == ".toy.new":
            raise OSError(5, "no luck")
        rename(old, new)

    monkeypatch.setattr(os, "rename", fail_on_new)
    with pytest.raises(OSError, match="no luck"):
        fill(tmp_path / "toy", "two")
    assert (tmp_path / "toy" / "toy.txt").read_text() == "one"
    assert names(tmp_path) == ["toy"]


def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"holds other files \(thesis.txt\)"):
        fill(tmp_path / "toy", "two")
    (tmp_path / "toy" / "thesis.txt").rename(tmp_path / "toy" / "toy.thesis.txt")
    with pytest.raises(UserError, match=r"holds other files \(toy.thesis.txt\)"):
        fill(tmp_path / "toy", "two")
    (tmp_path / "link").symlink_to(tmp_path / "toy")
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    (tmp_path / "file").write_text("")
    for name in ("link", "nowhere", "file"):
        with pytest.raises(UserError, match="is not a folder"):
            fill(tmp_path / name, "two")
    assert names(tmp_path / "toy") == ["toy.thesis.txt"]


def test_a_replaced_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("one", "two"):
        with replaced_file(path) as fresh:
            fresh.write_text(text)
        assert path.read_text() == text
    with pytest.raises(TypeError), replaced_file(path) as fresh:
        write_half(fresh)
    assert path.read_text() == "two"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_two_processes_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "a.txt"
    with replaced_file(path) as slow:
        slow.write_text("slow")
        monkeypatch.setattr(os, "getpid", lambda: 0)
        with replaced_file(path) as quick:
            quick.write_text("quick")
        assert path.read_text() == "quick"
    assert path.read_text() == "slow"
    assert names(path.parent) == ["a.txt"]


def test_no_ordinary_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "."):
        with pytest.raises(UserError, match="is no ordinary file"), replaced_file(tmp_path / name):
            pytest.fail("was given")
    assert (tmp_path / "pipe").is_fifo() and names(tmp_path) == ["link", "pipe"]


# ------------------------------------------------------------------ a conversion that is killed

ROWS = [f"{n // 3},{n},{n % 5}\n" for n in range(300)]
KILL_WHEN_CALLED = """
    import os, signal, sys
    from recbole_a2d import convert
    import recbole_a2d.{module} as module
    real, left = module.{name}, [{calls}]
    def killed(*args, **options):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    module.{name} = killed
    convert.main(sys.argv[1:])
"""
POINTS = [
    ("data.atomic_writing", "_write_clicks", 0),
    ("data.atomic_writing", "_write_clicks", 2),
    ("data.atomic_writing", "_write_items", 0),
    ("data.atomic_writing", "write_manifest", 0),
    ("safe_write", "_swap", 0),
    ("safe_write", "os.rename", 0),
    ("safe_write", "os.rename", 1),
    ("safe_write", "os.rename", 2),
    ("safe_write", "shutil.rmtree", 3),
]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "log.csv").write_text("s,t,i\n" + "".join(ROWS))
    columns = ["--session", "s", "--time", "t", "--item", "i"]
    return ["csv", "--raw", str(tmp_path / "log.csv"), *columns, "--out", str(tmp_path / "toy")]


@pytest.mark.parametrize(("module", "name", "calls"), POINTS)
def test_kill_in_the_middle(
    tmp_path: Path, words: list[str], module: str, name: str, calls: int
) -> None:
    main(words)
    before = {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()}
    (tmp_path / "log.csv").write_text("s,t,i\n" + "".join(ROWS[:150]))
    script = textwrap.dedent(KILL_WHEN_CALLED).format(module=module, name=name, calls=calls)
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    read_atomic(tmp_path / "toy")  # brings back what a kill between two renames left
    after = {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()}
    finished = name in ("os.rename", "shutil.rmtree") and calls >= 2
    assert (after == before) is not finished
    main(words)
    assert names(tmp_path) == ["log.csv", "toy"]
    read_atomic(tmp_path / "toy")


WAIT_WHEN_WRITING = """
    import sys
    from recbole_a2d import cli
    from recbole_a2d.data import atomic_writing
    write = atomic_writing._write_items
    def wait(*args):
        print("writing", flush=True)
        sys.stdin.readline()
        write(*args)
    atomic_writing._write_items = wait
    sys.exit(cli.main(["convert", *sys.argv[1:]]))
"""


def test_two_conversions_to_one_folder(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The second is told to wait, and the first one's data set is whole."""
    script = textwrap.dedent(WAIT_WHEN_WRITING)
    pipe = subprocess.PIPE
    first = subprocess.Popen([sys.executable, "-c", script, *words], stdin=pipe, stdout=pipe)
    assert first.stdout is not None and first.stdout.readline() == b"writing\n"
    with pytest.raises(UserError, match="toy: another process is writing this data set; wait for"):
        main(words)
    first.communicate(b"go on\n")
    assert first.returncode == 0
    read_atomic(tmp_path / "toy")
    assert names(tmp_path) == ["log.csv", "toy"]
    main(words)


FULL_DISK = """
    import resource, sys
    from recbole_a2d import cli
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    sys.exit(cli.main(["convert", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("limit", [0, 100, 1500])
def test_a_disk_without_room(tmp_path: Path, words: list[str], limit: int) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    main(words)
    before = {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()}
    assert max(map(len, before.values())) > limit
    script = textwrap.dedent(FULL_DISK).format(limit=limit)
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "File too large" in done.stderr
    assert "nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()} == before
    assert names(tmp_path) == ["log.csv", "toy"]


def test_no_space_left(tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from recbole_a2d.data import atomic_writing

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    main(words)
    before = {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()}
    monkeypatch.setattr(atomic_writing, "_write_items", full)
    with pytest.raises(UserError, match=r"No space left on device; nothing was changed"):
        main(words)
    assert {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()} == before
    assert names(tmp_path) == ["log.csv", "toy"]


def test_the_same_command_gives_the_same_bytes(tmp_path: Path, words: list[str]) -> None:
    main(words)
    before = {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()}
    main(words)
    assert {p.name: p.read_bytes() for p in (tmp_path / "toy").iterdir()} == before
