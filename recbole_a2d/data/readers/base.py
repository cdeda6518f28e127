"""What every reader of a raw log offers to the ``convert`` command."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from recbole_a2d.data.tables import ConvertedLog


@dataclass(frozen=True)
class Reader:
    """One raw format.

    Attributes:
        name: the SOURCE of ``convert SOURCE``.
        summary: one line for the help text.
        add_arguments: adds the options of this format alone.
        read: reads the log; ``args`` holds ``raw`` (path or None), ``name``, ``valid_fraction``
            and the reader's own options. Raises ``UserError`` on bad input.
        needs_raw: whether ``--raw`` has to be given.
        takes_raw: whether ``--raw`` may be given.
        raw_help: what ``--raw`` has to name, in words.
        paths: further options that name files or folders, to read or to write.
    """

    name: str
    summary: str
    add_arguments: Callable[[ArgumentParser], None]
    read: Callable[[Namespace], ConvertedLog]
    needs_raw: bool = True
    takes_raw: bool = True
    raw_help: str = "file or folder of the raw log"
    paths: tuple[str, ...] = ()
