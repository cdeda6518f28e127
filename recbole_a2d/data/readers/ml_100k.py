"""Reader ``ml-100k``: the MovieLens copy that comes with RecBole, cut into sessions.

A small real data set that is always at hand. Its "clicks" are ratings, so use it to try things
out, not to compare models.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path

from recbole_a2d.data.columns import read_columns
from recbole_a2d.data.lineage import group_clicks, named
from recbole_a2d.data.pauses import cut_at_pauses
from recbole_a2d.data.preprocess import (
    MIN_ITEM_CLICKS,
    build_log,
    drop_rare_items,
    drop_short_sessions,
    drop_unseen_items,
    sort_by_time,
)
from recbole_a2d.data.raw_table import Names
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.tables import Clicks, ConvertedLog, StringArray
from recbole_a2d.errors import UserError

RATING_FIELDS = ("user_id:token", "item_id:token", "timestamp:float")
GENRE_FIELDS = ("item_id:token", "class:token_seq")
REMEDY = "give the folder that holds ml-100k.inter and ml-100k.item to --raw"


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument(
        "--gap-seconds",
        type=float,
        default=60.0,
        help="a longer pause of a user starts a new session (default: 60)",
    )
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=0.1,
        help="share of the sessions, the last by time, to test on (default: 0.1)",
    )


def read(args: Namespace) -> ConvertedLog:
    """Read the ratings and cut them into sessions.

    Raises:
        UserError: the files are missing or broken, or an option leaves nothing to use.
    """
    folder = args.raw or example_folder()
    clicks, item_tokens = user_sessions(folder / "ml-100k.inter", args.gap_seconds)
    clicks = sort_by_time(drop_short_sessions(drop_rare_items(drop_short_sessions(clicks))))
    training, test = _split_test(clicks, args.test_fraction)
    return build_log(
        name=args.name,
        source=READER.name,
        training=training,
        test=drop_short_sessions(drop_unseen_items(test, training)),
        item_tokens=item_tokens,
        category_of_item=_first_genres(folder / "ml-100k.item"),
        valid_fraction=args.valid_fraction,
        notes=(
            f"Ratings of one user without a pause over {args.gap_seconds:g} s make a session.",
            f"Items with fewer than {MIN_ITEM_CLICKS} ratings and sessions of one are dropped.",
            "The category of a film is its first genre.",
        ),
    )


def example_folder() -> Path:
    """Folder of the copy inside the installed RecBole."""
    spec = find_spec("recbole")
    if spec is None or spec.origin is None:
        raise UserError("RecBole is not installed: install it or give the folder to --raw")
    return Path(spec.origin).parent / "dataset_example" / "ml-100k"


def user_sessions(path: Path, gap_seconds: float) -> tuple[Clicks, StringArray]:
    """Sort ratings by user and time, and cut where a user pauses.

    Returns:
        The sessions named ``user-number``, and the item tokens their codes index.
    """
    if not gap_seconds > 0:
        raise UserError(f"--gap-seconds {gap_seconds} must be above 0")
    table = read_columns(path, RATING_FIELDS, remedy=REMEDY)
    users, items = Names.of(table["user_id:token"]), Names.of(table["item_id:token"])
    time = table["timestamp:float"].to_numpy()
    sessions, names = cut_at_pauses(users, time, gap_seconds)
    clicks = group_clicks(
        session=sessions, item=items.codes, time=time, n_sessions=len(names), order_by=time
    )
    return named(clicks, names), items.texts


def _split_test(clicks: Clicks, fraction: float) -> tuple[Clicks, Clicks]:
    if not 0 < fraction < 1:
        raise UserError(f"--test-fraction {fraction} must be above 0 and below 1")
    n_sessions = len(clicks.sessions)
    cut = n_sessions - round(n_sessions * fraction)
    return clicks.slice(0, cut), clicks.slice(cut, n_sessions)


def _first_genres(path: Path) -> dict[str, str]:
    table = read_columns(path, GENRE_FIELDS, ["class:token_seq"], REMEDY)
    rows = zip(
        table["item_id:token"].to_pylist(), table["class:token_seq"].to_pylist(), strict=True
    )
    return {item: genres.split(" ")[0] for item, genres in rows}


READER = Reader(
    name="ml-100k",
    summary="MovieLens 100k as shipped inside RecBole: ratings cut into sessions, first genre",
    add_arguments=add_arguments,
    read=read,
    needs_raw=False,
    raw_help="folder of ml-100k.inter and ml-100k.item",
)
