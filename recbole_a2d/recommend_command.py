"""``recommend``: the next items of new sessions, from a saved run."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_a2d.command_line import OneLineParser
from recbole_a2d.errors import UserError, reason
from recbole_a2d.recommend import Recommendation, Recommender
from recbole_a2d.recommend_input import as_delimiter, as_line, ids_of, read_sessions
from recbole_a2d.safe_write import replaced_file

if TYPE_CHECKING:
    from recbole_a2d.explain import Explanation

HELP = """The next items of sessions that were never seen before, from a finished run alone.

  recommend --run saved/RUN --session "i12 i7 i12"      one session, oldest click first; may be
                                                        given several times
  recommend --run saved/RUN --input sessions.txt        one session a line, ids separated by
                                                        blanks; '-' reads standard input
  recommend --run saved/RUN --session "red shoe, hat" --delimiter ,
                                                        ids that hold blanks; an id in quotes
                                                        may hold the delimiter too
  recommend --run saved/RUN --session '["red shoe", "hat"]'
                                                        without --delimiter a session may be a
                                                        JSON array

A --session is answered by a table, a file by one line of ids a session, in the same order and
with the same delimiter (--json: one JSON object a line, with scores; with --explain it is the
explanation, the list in it). Clicks on items that training never saw are left out; a session
without any other click gets the list of the most popular items. Both are said on standard
error. Where no click of any session is known, that is an error."""

PAGE = Path("explanation.html")
MOST_EXPLAINED = 50


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``.

    Raises:
        UserError: bad options, a folder that is no finished run, an unreadable file.
    """
    args = build_parser().parse_args(arguments)
    _check_options(args)
    sessions = _sessions(args)
    if args.explain is not None and len(sessions) > MOST_EXPLAINED:
        raise UserError(
            f"--explain shows at most {MOST_EXPLAINED} sessions, {_source(args)} holds "
            f"{len(sessions)}"
        )
    recommender = Recommender.load(args.run)
    answers = recommender.recommend(sessions, args.k, args.exclude_seen)
    _check_known(args, recommender, sessions)
    found = _explained(args, recommender, sessions)
    for note in notes(sessions, answers):
        print(note, file=sys.stderr)
    _write(args, _answer(args, recommender, answers, found), len(answers))
    if found:
        _tell(args, found)


def build_parser() -> ArgumentParser:
    """The command line."""
    parser = OneLineParser(
        prog="run_recbole_a2d.py recommend",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="saved/RUN")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--session", action="append", metavar="IDS", help="raw item ids, oldest click first"
    )
    given.add_argument("--input", metavar="FILE", help="one session a line")
    parser.add_argument(
        "--delimiter", metavar="CHAR", help="between ids; 'tab' for a tab (default: blanks)"
    )
    parser.add_argument("-k", type=int, default=20, help="length of a list (20)")
    parser.add_argument(
        "--exclude-seen", action="store_true", help="leave out what the session clicked"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a session")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write here, not to the screen")
    parser.add_argument(
        "--explain",
        type=Path,
        nargs="?",
        const=PAGE,
        metavar="PAGE",
        help=f"say why, in text and as a page ({PAGE})",
    )
    return parser


def notes(sessions: Sequence[Sequence[str]], answers: Sequence[Recommendation]) -> Iterator[str]:
    """What the user should know of the input, one line each."""
    unknown = [item for answer in answers for item in answer.unknown]
    if unknown:
        shown = ", ".join(list(dict.fromkeys(unknown))[:5])
        more = ", ..." if len(set(unknown)) > 5 else ""
        clicks = sum(map(len, sessions))
        yield (
            f"note: {len(unknown)} of {clicks} clicks are unknown to this run, left out: "
            f"{shown}{more}"
        )
    popular = [line for line, answer in enumerate(answers, start=1) if answer.popular]
    if popular:
        where = ", ".join(map(str, popular[:10])) + (", ..." if len(popular) > 10 else "")
        yield (
            f"note: {len(popular)} of {len(answers)} sessions have no known click and get the "
            f"most popular items (session {where})"
        )


def _check_options(args: Namespace) -> None:
    """Refuse at once what would otherwise be found out after the work."""
    args.delimiter = as_delimiter(args.delimiter)
    for option, path in (("--out", args.out), ("--explain", args.explain)):
        if path is not None:
            _check_place(option, path)
    if args.out and args.explain and args.out.absolute() == args.explain.absolute():
        raise UserError(f"--out and --explain are both {args.out}; give them different files")


def _check_place(option: str, path: Path) -> None:
    if os.path.isdir(path):
        raise UserError(f"{option} {path} is a folder; name a file in it")
    parent = next(parent for parent in path.absolute().parents if os.path.exists(parent))
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError(f"{option} {path}: {parent} is no folder to write to; choose another place")


def _source(args: Namespace) -> str:
    return "--session" if args.session is not None else str(args.input)


def _sessions(args: Namespace) -> list[list[str]]:
    if args.session is None:
        return read_sessions(args.input, args.delimiter)
    sessions = [ids_of(text, args.delimiter, "--session") for text in args.session]
    if not all(sessions):
        raise UserError('--session is empty; give it raw item ids, as in --session "i12 i7"')
    return sessions


def _check_known(
    args: Namespace, recommender: Recommender, sessions: Sequence[Sequence[str]]
) -> None:
    """Refuse an input that is evidently not of this run, or not taken apart as it was meant."""
    first = next((words[0] for words in sessions if words), None)
    if any(word in recommender.id_of_token for words in sessions for word in words):
        return
    if first is None:
        raise UserError(f"{_source(args)}: holds no click; write one session a line")
    known = recommender.dataset.item_tokens[recommender.by_popularity[0]]
    raise UserError(
        f"{_source(args)}: this run knows none of the clicks, the first of which is "
        f"{first[:50]!r}; its ids look like {known!r}: say with --delimiter what stands between "
        "ids, or with --run which run they are of"
    )


def _answer(
    args: Namespace,
    recommender: Recommender,
    answers: Sequence[Recommendation],
    found: Sequence[Explanation],
) -> Iterator[str]:
    """What was asked for, line by line."""
    if args.json:
        for content in map(asdict, found) if found else map(vars, answers):
            yield json.dumps(content, ensure_ascii=False)
    elif args.session is None or args.out is not None:
        yield from (as_line(answer.items, args.delimiter) for answer in answers)
    else:
        tables = [_table(recommender, answer) for answer in answers]
        if len(tables) > 1:
            tables = [f"session {n}\n{table}" for n, table in enumerate(tables, start=1)]
        yield "\n\n".join(tables)


def _table(recommender: Recommender, answer: Recommendation) -> str:
    dataset = recommender.dataset
    width = max([len(item) for item in answer.items] + [4]) + 2
    lines = [f"{'':>4}  {'item':<{width}}{'score':>12}  category"]
    for place, (item, score) in enumerate(zip(answer.items, answer.scores, strict=True), start=1):
        category = dataset.category_of_item[recommender.id_of_token[item]]
        name = dataset.category_tokens[category] if category > 0 else ""
        lines.append(f"{place:>4}  {item:<{width}}{score:>12.5g}  {name}".rstrip())
    return "\n".join(lines)


def _write(args: Namespace, lines: Iterator[str], lists: int) -> None:
    if args.out is None:
        for line in lines:
            print(line)
        return
    try:
        with replaced_file(args.out) as path, path.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise UserError(f"{args.out}: cannot be written ({reason(error)})") from error
    print(f"{lists} lists: {args.out}", file=sys.stderr)


def _explained(
    args: Namespace, recommender: Recommender, sessions: list[list[str]]
) -> list[Explanation]:
    """The explanations that were asked for; writes their page, before anything is printed."""
    if args.explain is None:
        return []
    from recbole_a2d.explain import explain
    from recbole_a2d.explain_page import write_page

    found = [explain(recommender, words, args.k, args.exclude_seen) for words in sessions]
    write_page(args.explain, found)
    return found


def _tell(args: Namespace, found: Sequence[Explanation]) -> None:
    """The explanations as text, but for those already told as JSON, and where the page is."""
    from recbole_a2d.explain import as_text

    if args.json:
        print(f"page: {args.explain}", file=sys.stderr)
        return
    print("\n" + "\n\n".join(map(as_text, found)))
    print(f"\npage: {args.explain}")
