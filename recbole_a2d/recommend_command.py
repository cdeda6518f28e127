"""``recommend``: the next items of new sessions, from a saved run."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from pathlib import Path

from recbole_a2d.data.safe_write import replaced_file
from recbole_a2d.errors import UserError
from recbole_a2d.recommend import Recommendation, Recommender

HELP = """The next items of sessions that were never seen before, from a finished run alone.

  recommend --run saved/RUN --session "i12 i7 i12"      one session, oldest click first
  recommend --run saved/RUN --input sessions.txt        one session a line, ids separated by
                                                        blanks; '-' reads standard input

One session is answered by a table, a file by one line of ids a session, in the same order
(--json: one JSON object a line, with scores). Clicks on items that training never saw are
left out; a session without any other click gets the list of the most popular items. Both are
said on standard error."""

PAGE = Path("explanation.html")
MOST_EXPLAINED = 50


def main(arguments: list[str]) -> None:
    """Entry of the subcommand; see ``HELP``.

    Raises:
        UserError: bad options, a folder that is no finished run, an unreadable file.
    """
    args = build_parser().parse_args(arguments)
    sessions = _sessions(args)
    if args.explain is not None and len(sessions) > MOST_EXPLAINED:
        raise UserError(
            f"--explain shows at most {MOST_EXPLAINED} sessions, {args.input} holds {len(sessions)}"
        )
    recommender = Recommender.load(args.run)
    answers = recommender.recommend(sessions, args.k, args.exclude_seen)
    for note in notes(sessions, answers):
        print(note, file=sys.stderr)
    if args.session is not None and not args.json and args.out is None:
        print(_table(recommender, answers[0]))
    else:
        _write(args, answers)
    if args.explain is not None:
        _explain(args, recommender, sessions)


def build_parser() -> ArgumentParser:
    """The command line."""
    parser = ArgumentParser(
        prog="run_recbole_a2d.py recommend",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="saved/RUN")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--session", metavar="IDS", help="raw item ids, oldest click first")
    given.add_argument("--input", metavar="FILE", help="one session a line")
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


def _sessions(args: Namespace) -> list[list[str]]:
    if args.session is not None:
        return [args.session.split()]
    try:
        if args.input == "-":
            lines = sys.stdin.read().splitlines()
        else:
            lines = Path(args.input).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{args.input}: cannot be read ({error}); check the path") from error
    if not lines:
        raise UserError(f"{args.input}: is empty; write one session a line, ids between blanks")
    return [line.split() for line in lines]


def _table(recommender: Recommender, answer: Recommendation) -> str:
    dataset = recommender.dataset
    width = max([len(item) for item in answer.items] + [4]) + 2
    lines = [f"{'':>4}  {'item':<{width}}{'score':>12}  category"]
    for place, (item, score) in enumerate(zip(answer.items, answer.scores, strict=True), start=1):
        category = dataset.category_of_item[recommender.id_of_token[item]]
        name = dataset.category_tokens[category] if category > 0 else ""
        lines.append(f"{place:>4}  {item:<{width}}{score:>12.5g}  {name}".rstrip())
    return "\n".join(lines)


def _lines(args: Namespace, answers: Sequence[Recommendation]) -> Iterator[str]:
    for answer in answers:
        if args.json:
            yield json.dumps(vars(answer), ensure_ascii=False)
        else:
            yield " ".join(answer.items)


def _write(args: Namespace, answers: Sequence[Recommendation]) -> None:
    if args.out is None:
        for line in _lines(args, answers):
            print(line)
        return
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(args.out) as path, path.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in _lines(args, answers))
    except OSError as error:
        raise UserError(f"{args.out}: cannot be written ({error})") from error
    print(f"{len(answers)} lists: {args.out}", file=sys.stderr)


def _explain(args: Namespace, recommender: Recommender, sessions: list[list[str]]) -> None:
    from recbole_a2d.explain import as_text, explain
    from recbole_a2d.explain_page import write_page

    found = [explain(recommender, words, args.k, args.exclude_seen) for words in sessions]
    print("\n" + "\n\n".join(as_text(explanation) for explanation in found))
    print(f"\npage: {write_page(args.explain, found)}")
