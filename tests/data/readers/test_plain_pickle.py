"""Pickles of plain data are read; anything that could run is refused."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_a2d.data.readers.plain_pickle import read_plain_pickle
from recbole_a2d.errors import UserError

NUMBERS = st.integers(-(2**70), 2**70)
LISTS = st.lists(NUMBERS, max_size=5)
PLAIN = st.one_of(
    st.lists(LISTS, max_size=6),
    st.tuples(st.lists(LISTS, max_size=4), LISTS),
    st.dictionaries(NUMBERS, NUMBERS, max_size=8),
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4),
)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "data.txt"
    path.write_bytes(content)
    return path


@settings(max_examples=200, deadline=None)
@given(content=PLAIN, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_agrees_with_pickle_on_plain_data(content: Any, protocol: int) -> None:
    dump = pickletools.optimize(pickle.dumps(content, protocol))
    for form in (dump, pickle.dumps(content, protocol)):
        if any(op.name.endswith("GET") for op, _, _ in pickletools.genops(form)):
            continue  # the empty tuple and the like, shared
        with tempfile.TemporaryDirectory() as folder:
            assert read_plain_pickle(write(Path(folder), form)) == content


@pytest.mark.parametrize("size", [1001, 2500])
def test_long_lists_come_in_batches(tmp_path: Path, size: int) -> None:
    content = {0: 1} | {item: item % 7 for item in range(size)}
    assert read_plain_pickle(write(tmp_path, pickle.dumps(content))) == content
    assert read_plain_pickle(write(tmp_path, pickle.dumps([[size] * size]))) == [[size] * size]


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "broken_in"
    path = write(tmp_path, pickle.dumps([[1, 2], Attack(target)], protocol))
    with pytest.raises(UserError, match=r"opcode .* is refused"):
        read_plain_pickle(path)
    assert not target.exists()
    pickle.loads(path.read_bytes())
    assert target.exists()  # the attack is a real one


CLASSES_BY_OPCODE = {
    "GLOBAL": b"cos\nsystem\n(S'true'\ntR.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "INST": b"(S'true'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'true'\no.",
    "REDUCE": b"](R.",
    "BUILD": b"]}b.",
    "NEWOBJ": b"])\x81.",
    "NEWOBJ_EX": b"])}\x92.",
    "EXT1": b"\x82\x01.",
    "EXT2": b"\x83\x01\x00.",
    "EXT4": b"\x84\x01\x00\x00\x00.",
    "PERSID": b"P1\n.",
    "BINPERSID": b"]Q.",
    "BINGET": b"]q\x00h\x00\x86.",
    "GET": b"]p0\ng0\n\x86.",
    "LONG_BINGET": b"]q\x00j\x00\x00\x00\x00\x86.",
    "DUP": b"]2\x86.",
    "POP": b"]]0.",
    "POP_MARK": b"](1.",
    "NEXT_BUFFER": b"\x97.",
    "BYTEARRAY8": b"\x96" + struct.pack("<Q", 0) + b".",
    "BINUNICODE": b"X\x01\x00\x00\x00a.",
    "BINFLOAT": b"G" + struct.pack(">d", 1.5) + b".",
    "NONE": b"N.",
    "NEWTRUE": b"\x88.",
    "EMPTY_SET": b"\x8f.",
    "FROZENSET": b"(\x91.",
    "LONG4": b"\x8b\x01\x00\x00\x00\x01.",
}


@pytest.mark.parametrize("opcode", CLASSES_BY_OPCODE)
def test_every_other_opcode_is_refused(tmp_path: Path, opcode: str) -> None:
    content = CLASSES_BY_OPCODE[opcode]
    assert opcode in [op.name for op, _, _ in pickletools.genops(content)]
    with pytest.raises(UserError, match=r"pickle opcode .* is refused"):
        read_plain_pickle(write(tmp_path, content))


def test_the_refused_opcodes_are_all_that_are_not_plain(tmp_path: Path) -> None:
    from recbole_a2d.data.readers.plain_pickle import IGNORED, MAKERS, NUMBERS

    allowed = NUMBERS | IGNORED | set(MAKERS)
    known = {op.name for op in pickletools.opcodes}
    assert allowed <= known
    dangerous = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
    dangerous |= {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "GET", "BINGET", "LONG_BINGET"}
    assert dangerous <= known - allowed


@pytest.mark.parametrize("content", [[np.int64(3)], OrderedDict(a=1), [[1.5]], [["7"]], [[None]]])
def test_values_that_are_not_plain(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UserError, match="save the data as text instead"):
        read_plain_pickle(write(tmp_path, pickle.dumps(content)))


@settings(max_examples=150, deadline=None)
@given(content=PLAIN, data=st.data())
def test_every_truncation_is_an_error(content: Any, data: st.DataObject) -> None:
    dump = pickletools.optimize(pickle.dumps(content, 4))
    cut = data.draw(st.integers(0, len(dump) - 1))
    with tempfile.TemporaryDirectory() as folder, pytest.raises(UserError):
        read_plain_pickle(write(Path(folder), dump[:cut]))


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=60))
def test_random_bytes_give_plain_data_or_an_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read_plain_pickle(write(Path(folder), content))
        except UserError:
            return
    assert type(found) in (int, bool, list, tuple, dict)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"]",
                b")",
                b"}",
                b"(",
                b"K\x01",
                b"a",
                b"e",
                b"u",
                b"s",
                b"t",
                b"\x85",
                b"\x86",
                b"l",
                b"d",
            ]
        ),
        max_size=12,
    )
)
def test_any_order_of_plain_opcodes_agrees_with_pickle(parts: list[bytes]) -> None:
    """The walk accepts nothing that the real machine reads otherwise."""
    content = b"".join(parts) + b"."
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read_plain_pickle(write(Path(folder), content))
        except UserError:
            return
    assert found == pickle.loads(content)


@pytest.mark.parametrize("content", [b"]](lu.", b"](]u.", b"}]a.", b")]a.", b"]]]s."])
def test_an_opcode_of_another_container(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="truncated or not a pickle"):
        read_plain_pickle(write(tmp_path, content))


def test_deep_nesting(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nested deeper"):
        read_plain_pickle(write(tmp_path, b"]" * 100_000 + b"a" * 99_999 + b"."))
    with pytest.raises(UserError, match="nested deeper"):
        read_plain_pickle(write(tmp_path, b")" + b"\x85" * 100_000 + b"."))


def test_huge_memo_index_takes_no_memory(tmp_path: Path) -> None:
    content = b"]r\xfe\xff\xff\xff."
    assert read_plain_pickle(write(tmp_path, content)) == []


def test_size_limit_and_missing_file(tmp_path: Path) -> None:
    path = write(tmp_path, pickle.dumps([[1, 2]]))
    with pytest.raises(UserError, match="raise --max-mib"):
        read_plain_pickle(path, max_bytes=5)
    with pytest.raises(UserError, match="is missing"):
        read_plain_pickle(tmp_path / "none.txt")
