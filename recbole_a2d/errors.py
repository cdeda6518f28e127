"""The one exception that means: the input is at fault, not the program."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(Exception):
    """Bad input, described in one line: what is wrong, where, what to do.

    The command line prints the message and exits with code 2; nothing has been
    written when it is raised.
    """


class WrongValue(UserError):
    """A setting has a value that it does not take.

    Attributes:
        key: of the setting.
    """

    def __init__(self, key: str, value: object, wanted: str) -> None:
        super().__init__(f"{key} is {value!r}; it must be {wanted}")
        self.key = key

    @classmethod
    def none_of(cls, key: str, value: object, words: Iterable[object]) -> WrongValue:
        """That of a setting which takes one of a few words, and has another."""
        return cls(key, value, f"one of: {', '.join(map(str, words))}")


class Diverged(UserError):
    """Training went astray: its loss or its scores are no numbers."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; try a smaller --learning_rate or --precision=float32")


def reason(error: Exception) -> str:
    """Why something failed, in one short line; without the path, which the message names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, KeyError):
        text = f"there is no {text}"
    return " ".join(text.split())[:200]
