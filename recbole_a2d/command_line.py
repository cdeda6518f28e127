"""``--key=value`` and ``--key value`` to typed settings; argparse that reports in one line."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any, NoReturn

from recbole_a2d.errors import UserError
from recbole_a2d.yaml_files import parse_yaml

Pairs = list[tuple[str, str]]
HELP_WORDS = frozenset({"-h", "--help"})
"""As argparse has them, which takes apart the options of `convert` and `recommend`."""


class OneLineParser(ArgumentParser):
    """An ArgumentParser, and so its sub-parsers, that raises where argparse prints its usage."""

    def error(self, message: str) -> NoReturn:
        """Report bad options.

        Raises:
            UserError: always; the message ends in where to read on.
        """
        raise UserError(f"{' '.join(message.split())}; {self.prog} --help lists the options")


def split_pairs(arguments: list[str], flags: frozenset[str] = frozenset()) -> Pairs:
    """Key and value of every option, in order; a flag's value is ``true``.

    Raises:
        UserError: a word that belongs to no option, an option without a value, a flag with one.
    """
    pairs: Pairs = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in HELP_WORDS and "help" in flags:
            word = "--help"
        if not word.startswith("--") or len(word) == 2:
            raise UserError(f"cannot place '{word}'; options look like --key=value or --key value")
        key, equals, value = word[2:].partition("=")
        if key in flags:
            if equals:
                raise UserError(
                    f"--{key} takes no value: leave '={value}' out, or the whole option"
                )
            value = "true"
        elif not equals:
            if not rest or rest[0].startswith("--"):
                raise UserError(f"--{key} needs a value: --{key}=value")
            value = rest.pop(0)
        pairs.append((key, value))
    return pairs


def refuse_options(given: Iterable[str], command: str) -> None:
    """Refuse the options that a command has not taken.

    Raises:
        UserError: there are some; the message names the first.
    """
    for key in given:
        raise UserError(f"unknown option --{key}; {command} --help lists them")


def typed(key: str, value: str) -> Any:
    """A value as yaml reads it: numbers, booleans, lists, ``~`` for none, else text."""
    return parse_yaml(value, f"--{key}={value}")


def whole_number(key: str, text: str, least: int | None = None) -> int:
    """The number behind ``--key=``.

    Raises:
        UserError: it is no whole number, or below the least.
    """
    try:
        number = int(text)
        if least is None or number >= least:
            return number
    except ValueError:
        pass
    bound = "" if least is None else f" of at least {least}"
    raise UserError(f"--{key}: '{text}' is not a whole number{bound}")


def amount(key: str, text: str) -> float:
    """A number that need not be whole: a part of a GPU is enough for a small model.

    Raises:
        UserError: it is none, or less than 0.
    """
    value = typed(key, text)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise UserError(f"--{key}: '{text}' is not a number of at least 0")
    return float(value)


def as_typed(value: Any) -> str:
    """A value as it is typed behind ``--key=``; what :func:`typed` reads back."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
