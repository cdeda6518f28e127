"""Reader ``shop``: sessions of a synthetic shop whose best reachable scores are known."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState

from recbole_a2d.data.preprocess import build_log
from recbole_a2d.data.progress import progress
from recbole_a2d.data.readers.base import Reader
from recbole_a2d.data.readers.shop_world import ShopSize, ShopWorld
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.data.tables import BoolArray, Clicks, ConvertedLog
from recbole_a2d.errors import UserError

SEED = 7
SESSIONS = 5000
TEST_FRACTION = 0.2
TOP = 20
SECONDS_BETWEEN_SESSIONS = 600
SECONDS_BETWEEN_CLICKS = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Options of this reader."""
    parser.add_argument("--seed", type=int, default=SEED, help=f"default: {SEED}")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help=f"default: {SESSIONS}")


def read(args: Namespace) -> ConvertedLog:
    """Open a shop, let sessions happen, and work out the best scores on its test rows.

    Raises:
        UserError: too few sessions, or a seed out of range.
    """
    if args.sessions < 10 or not 0 <= args.seed < 2**32:
        raise UserError("shop needs --sessions of at least 10 and --seed from 0 to 4294967295")
    random = RandomState(args.seed)  # a stream that no later version of NumPy changes
    world = ShopWorld.random(ShopSize(), random)
    drawn = [world.session(random) for _ in progress(range(args.sessions), "sessions")]
    clicks = _timed(Sessions.from_lists(drawn))
    cut = args.sessions - round(args.sessions * TEST_FRACTION)
    training, test = clicks.slice(0, cut), clicks.slice(cut, args.sessions)
    seen = np.bincount(training.sessions.items, minlength=len(world.popularity)) > 0
    return build_log(
        name=args.name,
        source=READER.name,
        training=training,
        test=test,
        item_tokens=np.array([f"i{item}" for item in range(len(seen))], dtype=object),
        category_of_item={
            f"i{item}": f"c{category}" for item, category in enumerate(world.category_of_item)
        },
        valid_fraction=args.valid_fraction,
        notes=(
            f"Synthetic: seed {args.seed}, {args.sessions} sessions.",
            "best holds the scores of the exact predictive distribution on these test rows, over "
            "the items of the training sessions; expected_* are their expectations.",
        ),
        best=best_scores(world, drawn[cut:], seen),
    )


def best_scores(
    world: ShopWorld, sessions: Sequence[Sequence[int]], candidates: BoolArray
) -> dict[str, float]:
    """Scores of the ranking that no model can beat in expectation, on every row of some sessions.

    Args:
        world: the shop that made the sessions.
        sessions: item lists; every click but the first is a row.
        candidates: items that may be ranked, ``[items]``; other targets are misses.

    Returns:
        ``hit@20`` and ``mrr@20`` as found on the rows (ties count against the ranking), and their
        expectations ``expected_hit@20`` and ``expected_mrr@20``, all rounded to 4 digits.
    """
    hits, reciprocals, expected = [], [], []
    for session in progress(sessions, "best scores"):
        for prediction, target in zip(world.predictions(session), session[1:], strict=True):
            scores = np.where(candidates, prediction, -1.0)
            rank = int((scores >= scores[target]).sum()) if candidates[target] else TOP + 1
            hits.append(rank <= TOP)
            reciprocals.append(1 / rank if rank <= TOP else 0.0)
            top = np.sort(scores)[::-1][:TOP].clip(min=0)
            expected.append([top.sum(), (top / np.arange(1, len(top) + 1)).sum()])
    expected_hit, expected_reciprocal = np.mean(expected, axis=0)
    return {
        f"hit@{TOP}": _rounded(float(np.mean(hits))),
        f"mrr@{TOP}": _rounded(float(np.mean(reciprocals))),
        f"expected_hit@{TOP}": _rounded(expected_hit),
        f"expected_mrr@{TOP}": _rounded(expected_reciprocal),
    }


def _timed(sessions: Sessions) -> Clicks:
    first_of_session: IntArray = np.repeat(sessions.offsets[:-1], sessions.lengths)
    position = np.arange(len(sessions.items)) - first_of_session
    seconds = (
        SECONDS_BETWEEN_SESSIONS * sessions.session_of_click + SECONDS_BETWEEN_CLICKS * position
    )
    names = np.array([f"s{number}" for number in range(len(sessions))], dtype=object)
    return Clicks(sessions, names, seconds.astype(np.float64))


def _rounded(value: float) -> float:
    return round(float(value), 4)


READER = Reader(
    name="shop",
    summary="synthetic shop with categories, whose best reachable scores are known",
    add_arguments=add_arguments,
    read=read,
    needs_raw=False,
    takes_raw=False,
)
