"""What a command says of options that it cannot take."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_a2d.command_line import OneLineParser, split_pairs
from recbole_a2d.errors import UserError
from recbole_a2d.yaml_files import read_yaml


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


def test_the_short_help_is_help_where_there_is_one() -> None:
    assert split_pairs(["-h"], frozenset({"help"})) == [("help", "true")]
    assert split_pairs(["--dataset", "-h"], frozenset({"help"})) == [("dataset", "-h")]
    with pytest.raises(UserError, match="cannot place '-h'"):
        split_pairs(["-h"])


def test_a_missing_yaml_file_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    said = f"{path}: cannot be read (No such file or directory); check the path"
    assert str(caught.value) == said
