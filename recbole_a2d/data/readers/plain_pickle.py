"""Read pickles of plain lists, tuples, dicts and whole numbers without unpickling.

A pickle is a program. This module does not run it: it walks over the opcodes and follows only
those that make a list, tuple, dict or int, so there is nothing that could name, build or call a
class. References to earlier objects are refused too, with which a small file can stand for a huge
structure; plain numbers never need them.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_a2d.errors import UserError

MAX_BYTES = 1 << 30
MAX_DEPTH = 4

NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG"})
# Numbering of objects for later reference, and transport: without effect on plain data.
IGNORED = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"})


def read_plain_pickle(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a pickle that holds lists, tuples, dicts and ints only.

    Raises:
        UserError: the file is missing, larger than ``max_bytes``, truncated, nested deeper than
            ``MAX_DEPTH``, or holds anything else.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise UserError(f"{path} is larger than {max_bytes >> 20} MiB: raise --max-mib")
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path} is missing: give the folder that holds it to --raw") from None
    machine = _PlainMachine(path)
    try:
        for opcode, argument, position in pickletools.genops(content):
            machine.follow(opcode.name, argument, position)
        return machine.result()
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is truncated or not a pickle ({error}): download it again"
        ) from error


class _PlainMachine:
    """The part of the pickle machine that makes plain data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.depths: list[int] = []  # nesting of each value on the stack
        self.marks: list[int] = []

    def follow(self, name: str, argument: Any, position: int | None) -> None:
        if name in NUMBERS:
            self._push(argument, 0)
        elif name in MAKERS:
            MAKERS[name](self)
        elif name not in IGNORED:
            raise UserError(
                f"{self.path}, byte {position}: pickle opcode {name} is refused, only plain lists, "
                "tuples, dicts and whole numbers are read; save the data as text instead "
                "(docs/datasets/published.md)"
            )

    def result(self) -> Any:
        if len(self.stack) != 1 or self.marks:
            raise ValueError("it does not end with one object")
        return self.stack[0]

    def _push(self, value: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise UserError(f"{self.path} is nested deeper than {MAX_DEPTH}: not session data")
        self.stack.append(value)
        self.depths.append(depth)

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def take(self, count: int) -> tuple[list[Any], int]:
        """Take ``count`` values off the stack, and the depth of what will hold them."""
        floor = self.marks[-1] if self.marks else 0
        start = len(self.stack) - count
        if start < floor:
            raise ValueError("a value is missing")
        values, depth = self.stack[start:], 1 + max(self.depths[start:], default=0)
        del self.stack[start:], self.depths[start:]
        return values, depth

    def take_to_mark(self) -> tuple[list[Any], int]:
        start = self.marks[-1]
        taken = self.take(len(self.stack) - start)
        self.marks.pop()
        return taken

    def make(self, kind: Callable[[list[Any]], Any], taken: tuple[list[Any], int]) -> None:
        values, depth = taken
        self._push(kind(values), depth)

    def append(self, taken: tuple[list[Any], int]) -> None:
        self._fill(taken, list, lambda found, values: found.extend(values))

    def set_items(self, taken: tuple[list[Any], int]) -> None:
        self._fill(taken, dict, lambda found, values: found.update(_pairs(values)))

    def _fill(
        self, taken: tuple[list[Any], int], kind: type, put: Callable[[Any, list[Any]], None]
    ) -> None:
        """Put values into the container below them, which must be of the opcode's kind."""
        values, depth = taken
        [container], own_depth = self.take(1)
        if not isinstance(container, kind):
            raise ValueError(f"a {kind.__name__} is missing")
        put(container, values)
        self._push(container, max(depth, own_depth - 1))


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))


MAKERS: dict[str, Callable[[_PlainMachine], None]] = {
    "MARK": _PlainMachine.mark,
    "EMPTY_LIST": lambda machine: machine._push([], 1),
    "EMPTY_TUPLE": lambda machine: machine._push((), 1),
    "EMPTY_DICT": lambda machine: machine._push({}, 1),
    "LIST": lambda machine: machine.make(list, machine.take_to_mark()),
    "TUPLE": lambda machine: machine.make(tuple, machine.take_to_mark()),
    "DICT": lambda machine: machine.make(_pairs, machine.take_to_mark()),
    "TUPLE1": lambda machine: machine.make(tuple, machine.take(1)),
    "TUPLE2": lambda machine: machine.make(tuple, machine.take(2)),
    "TUPLE3": lambda machine: machine.make(tuple, machine.take(3)),
    "APPEND": lambda machine: machine.append(machine.take(1)),
    "APPENDS": lambda machine: machine.append(machine.take_to_mark()),
    "SETITEM": lambda machine: machine.set_items(machine.take(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.take_to_mark()),
    "STOP": lambda machine: None,
}
