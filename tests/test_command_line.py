"""What a command says of options that it cannot take."""

from __future__ import annotations

import pytest

from recbole_a2d.command_line import OneLineParser
from recbole_a2d.errors import UserError


def parser() -> OneLineParser:
    made = OneLineParser(prog="prog")
    made.add_argument("-k", type=int)
    sources = made.add_subparsers(dest="source", required=True)
    sources.add_parser("csv").add_argument("--item", required=True)
    return made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-k", "abc", "csv"], "argument -k: invalid int value: 'abc'; prog --help lists"),
        (["-k", "a\nb", "csv"], "invalid int value"),
        ([], "the following arguments are required: source; prog --help lists"),
        (["csv"], "the following arguments are required: --item; prog csv --help lists"),
        (["csv", "--item", "i", "stray\nwords"], "unrecognized arguments: stray words; prog"),
    ],
)
def test_bad_options_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError) as raised:
        parser().parse_args(words)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert capsys.readouterr().err == ""
