"""Subcommands of ``run_recbole_a2d.py``; each hands over at once to its module."""

from __future__ import annotations

import importlib
import logging
import os
import select
import sys
from contextlib import AbstractContextManager, nullcontext

from recbole_a2d.errors import UserError

COMMANDS = {
    "run": ("recbole_a2d.run", "train and test one model (the default)"),
    "convert": ("recbole_a2d.convert", "raw click logs to atomic files"),
    "demo": ("recbole_a2d.demo", "embedded shop: convert, train, compare"),
    "benchmark": ("recbole_a2d.benchmark.runner", "the grids behind the tables; resumable"),
    "tune": ("recbole_a2d.tune.command", "search a model's settings on the validation sessions"),
    "recommend": (
        "recbole_a2d.recommend_command",
        "next items of new sessions, from a finished run",
    ),
    "report": ("recbole_a2d.benchmark.report", "a page of tables and plots"),
    "table": ("recbole_a2d.benchmark.table", "compare the records of a results folder"),
}

GO_ON = frozenset({"run", "benchmark", "tune"})
"""Commands that go on where they were stopped when they are given again."""

HELP = """usage: run_recbole_a2d.py [COMMAND] [OPTIONS]

Session-based recommendation with A2D-MTL and its baselines, on RecBole.

  run_recbole_a2d.py --dataset shop                        train and test A2D-MTL
  run_recbole_a2d.py --dataset shop --model GRU4Rec        another model
  run_recbole_a2d.py --dataset shop --variant wo_cate      an ablation
  run_recbole_a2d.py convert --help                        make a data set
  run_recbole_a2d.py --version                             for a report of a fault

commands:
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code.

    That is 0, 2 where the input is at fault, or what a shell reports of a program that was
    stopped by hand (130) or whose output nobody reads any more (141).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("recbole_a2d").setLevel(logging.INFO)
    try:
        with _processes():
            _hand_over(words)
        print(end="", flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(_stopped(words), file=sys.stderr)
        return 130
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 141
    return 0


def _nobody_reads() -> bool:
    """Whether the reader of our output has closed it, as ``head`` does; drops what is left."""
    output = select.poll()
    output.register(sys.stdout.fileno())
    closed = any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))
    if closed:
        # Python flushes once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return closed


def _print_help() -> None:
    print(HELP + "\n".join(f"  {name:<11}{about}" for name, (_, about) in COMMANDS.items()))
    print("\nOptions of a command: run_recbole_a2d.py COMMAND --help")


def _launched() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _processes() -> AbstractContextManager[None]:
    """This process alone, or together with the others that torchrun started."""
    if not _launched():
        return nullcontext()
    from recbole_a2d.distributed import joined

    return joined()


def _split(words: list[str]) -> tuple[str, list[str]]:
    """Name of the command, which is ``run`` where none is given, and its options."""
    named = bool(words) and words[0] in COMMANDS
    return (words[0], words[1:]) if named else ("run", words)


def _stopped(words: list[str]) -> str:
    """What to say of a command that was stopped by hand."""
    name, options = _split(words)
    if name in GO_ON and "--fresh" in options:
        return "stopped; given without --fresh it goes on from the last finished epoch"
    if name in GO_ON:
        return "stopped; the same command goes on from the last finished epoch"
    return "interrupted"


def _hand_over(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        _print_help()
        return
    if words == ["--version"]:
        _print_versions()
        return
    name, options = _split(words)
    if name == "run" and options and not options[0].startswith("-"):
        raise UserError(f"unknown command '{options[0]}'; commands: {', '.join(COMMANDS)}")
    if name != "run" and _launched():
        raise UserError(f"'{name}' works in one process; start it without torchrun")
    importlib.import_module(COMMANDS[name][0]).main(options)


def _print_versions() -> None:
    """Of this package, its commit where it runs from a checkout, and of what it is built on."""
    from importlib import metadata

    from recbole_a2d.records import source_commit, versions

    commit = source_commit()
    print(
        f"recbole_a2d {metadata.version('recbole_a2d')}" + (f", commit {commit}" if commit else "")
    )
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
