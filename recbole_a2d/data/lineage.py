"""The rules by which the literature makes sessions and a split out of clicks.

Step by step, as in the scripts of SR-GNN and (Tmall) GCE-GNN:

1. A session's clicks are the rows of its id; it stands where its first row stood, and its date
   is that of its last row in the file.
2. Sessions of one click go, then items clicked fewer than 5 times in what is left (one pass,
   not repeated), then sessions that now have one click or too many.
3. ``test = date > last date - days``, ``train = date < last date - days``; a session whose date
   equals the cut is in neither.
4. Both are put in order of date; ties stay in order of first appearance in the file.
5. Test clicks on items unseen in training go, then test sessions of one click.

Each of these is an option, with these defaults; the order of the clicks of a session differs from
source to source.

::

    time ────────────────────────────────────────▶ last date
    |  training sessions        | cut |   test sessions   |
                                ◀──── test period ───────▶
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np
import pyarrow

from recbole_a2d.data.preprocess import (
    MIN_ITEM_CLICKS,
    drop_long_sessions,
    drop_rare_items,
    drop_short_sessions,
    drop_unseen_items,
    keep_sessions,
    sort_by_time,
)
from recbole_a2d.data.raw_table import CodeArray, as_texts
from recbole_a2d.data.sessions import IntArray, Sessions
from recbole_a2d.data.tables import Clicks, FloatArray, StringArray
from recbole_a2d.errors import UserError

DAY = 86_400
AT_CUT = ("drop", "train", "test")
UNSEEN = ("drop", "keep")
ORDERS = ("file", "time")


class Period(NamedTuple):
    """How a user gives the test period.

    Attributes:
        option: its name.
        unit: that of the option, in the unit of the dates.
        units: the name of the unit.
    """

    option: str
    unit: float
    units: str


IN_DAYS = Period("--test-days", DAY, "days")


@dataclass(frozen=True)
class Rules:
    """What stays and what is tested on.

    Attributes:
        min_item_clicks: items clicked less go.
        min_session_clicks: shorter sessions go; at least 2.
        max_session_clicks: longer sessions go, after the items; None keeps them.
        test_period: time before the last date that is tested on, in the unit of the dates.
        at_cut: where a session goes whose date equals the cut: ``drop``, ``train`` or ``test``.
        test_fraction: share of the sessions, the last by date, to test on instead of a period.
        unseen_items: whether test clicks on items unseen in training ``drop`` or ``keep``.
        order: clicks of a session in order of the ``file`` or of ``time``.
        period: how a user gives ``test_period``, for messages.
    """

    min_item_clicks: int = MIN_ITEM_CLICKS
    min_session_clicks: int = 2
    max_session_clicks: int | None = None
    test_period: float = DAY
    at_cut: str = "drop"
    test_fraction: float | None = None
    unseen_items: str = "drop"
    order: str = "time"
    period: Period = IN_DAYS

    def __post_init__(self) -> None:
        if self.min_session_clicks < 2:
            raise UserError("--min-session-clicks must be at least 2: one click makes no row")
        longest = self.max_session_clicks
        if longest is not None and longest < self.min_session_clicks:
            raise UserError(
                f"--max-session-clicks {longest} must be at least {self.min_session_clicks}, the "
                "length of the shortest sessions that are kept"
            )
        if self.min_item_clicks < 0:
            raise UserError(
                f"--min-item-clicks {self.min_item_clicks} must be at least 0 (keep all items)"
            )
        if not 0 < self.test_period < np.inf:
            raise UserError(f"the test period ({self.period.option}) must be above 0 and finite")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise UserError(f"--test-fraction {self.test_fraction} must be above 0 and below 1")

    @property
    def notes(self) -> tuple[str, ...]:
        """The rules in words, for the manifest."""
        longest = f" or more than {self.max_session_clicks}" if self.max_session_clicks else ""
        dropped = (
            f"Items clicked fewer than {self.min_item_clicks} times and sessions of fewer than "
            f"{self.min_session_clicks}{longest} clicks are dropped, items once."
        )
        kept = "Test clicks on items unseen in training are kept (--unseen-items keep)."
        return (dropped, kept) if self.unseen_items == "keep" else (dropped,)

    def order_by(self, time: FloatArray) -> FloatArray | None:
        """What ``group_clicks`` orders the clicks of a session by."""
        return time if self.order == "time" else None


def add_rule_arguments(parser: ArgumentParser, rules: Rules, at_cut: str | None = None) -> None:
    """Options for what stays, with a reader's own defaults.

    Args:
        parser: that gets them.
        rules: the defaults.
        at_cut: in words, where the reader itself settles what happens there; it is None then.
    """
    parser.add_argument(
        "--min-item-clicks",
        type=int,
        default=rules.min_item_clicks,
        help=f"drop items clicked less (default: {rules.min_item_clicks})",
    )
    parser.add_argument(
        "--min-session-clicks",
        type=int,
        default=rules.min_session_clicks,
        help=f"drop shorter sessions (default: {rules.min_session_clicks})",
    )
    parser.add_argument(
        "--max-session-clicks",
        type=int,
        default=rules.max_session_clicks,
        help=f"drop longer sessions (default: {rules.max_session_clicks or 'keep all'})",
    )
    parser.add_argument(
        "--at-cut",
        choices=AT_CUT,
        default=None if at_cut else rules.at_cut,
        help="where sessions go that are dated exactly at the cut, which is the last date minus "
        f"the test period (default: {at_cut or rules.at_cut})",
    )
    parser.add_argument(
        "--unseen-items",
        choices=UNSEEN,
        default=rules.unseen_items,
        help="test clicks on items that training does not hold; kept ones are misses "
        f"(default: {rules.unseen_items})",
    )
    parser.add_argument(
        "--order",
        choices=ORDERS,
        default=rules.order,
        help="clicks of a session in order of the file or of time, ties in order of the file "
        f"(default: {rules.order})",
    )


def add_days_argument(parser: ArgumentParser, rules: Rules) -> None:
    """The option for the test period, in days."""
    days = rules.test_period / DAY
    parser.add_argument(
        "--test-days",
        type=float,
        default=days,
        help=f"days before the last session to test on (default: {days:g})",
    )


def rules_from(
    args: Namespace,
    test_period: float,
    test_fraction: float | None = None,
    period: Period = IN_DAYS,
) -> Rules:
    """The rules that the command line asks for.

    Args:
        args: parsed options of ``add_rule_arguments``.
        test_period, test_fraction, period: see ``Rules``.
    """
    return Rules(
        min_item_clicks=args.min_item_clicks,
        min_session_clicks=args.min_session_clicks,
        max_session_clicks=args.max_session_clicks,
        test_period=test_period,
        at_cut=args.at_cut,
        test_fraction=test_fraction,
        unseen_items=args.unseen_items,
        order=args.order,
        period=period,
    )


def group_clicks(
    *,
    session: CodeArray,
    item: CodeArray,
    time: FloatArray,
    n_sessions: int,
    order_by: FloatArray | None = None,
    dates: FloatArray | None = None,
) -> Clicks:
    """Gather the rows of a log into sessions (step 1).

    Args:
        session: session code of each row, in order of first appearance; shape ``[rows]``.
        item: item code of each row.
        time: time of each row.
        n_sessions: number of session codes.
        order_by: what puts the clicks of a session in order; ties, and all without it, keep the
            order of the rows.
        dates: date that each row would give its session, of which the last row's counts;
            default: the time of the last click in order.

    Returns:
        Sessions that bear their codes for names, until ``named``.
    """
    lengths = np.bincount(session, minlength=n_sessions)
    date_of_session = None
    if dates is not None:
        date_of_session = np.zeros(n_sessions)
        date_of_session[session] = dates  # of repeated indices the last one stays
    order = _click_order(session, order_by)
    if order is not None:
        item, time = item[order], time[order]
    codes = cast(StringArray, np.arange(n_sessions))
    clicks = Clicks(
        Sessions.from_lengths(item.astype(np.int64), lengths), codes, time, date_of_session
    )
    return drop_short_sessions(clicks, 1)


def named(clicks: Clicks, names: pyarrow.StringArray) -> Clicks:
    """Give the sessions of ``group_clicks`` their names, indexed by session code."""
    codes = pyarrow.array(clicks.session_tokens.astype(np.int64))
    return replace(clicks, session_tokens=as_texts(names.take(codes)))


def _click_order(session: CodeArray, order_by: FloatArray | None) -> IntArray | None:
    """Rows in order of session and click; None where they are in order already."""
    step = np.diff(session)
    back = step < 0 if order_by is None else (step < 0) | ((step == 0) & (np.diff(order_by) < 0))
    if not back.any():
        return None
    if order_by is None:
        return np.argsort(session, kind="stable")
    return np.lexsort((order_by, session))


def split_log(clicks: Clicks, rules: Rules) -> tuple[Clicks, Clicks]:
    """Filter the sessions and split them into training and test (steps 2 to 5).

    A caller that keeps no clicks of its own has them freed once they are filtered.

    Raises:
        UserError: a step leaves nothing; names the options that decide about it.
    """
    clicks = _filter(clicks, rules)
    if len(clicks.sessions) == 0:
        raise UserError(_why_none(rules))
    training, test = _split(clicks, rules)
    if len(training.sessions) == 0 or len(test.sessions) == 0:
        raise UserError(_why_one_side(clicks.session_dates, rules, len(training.sessions) == 0))
    if rules.unseen_items == "drop":
        test = drop_unseen_items(test, training)
    test = drop_short_sessions(test, rules.min_session_clicks)
    if len(test.sessions) == 0:
        raise UserError(
            f"no test session is left: none has {rules.min_session_clicks} clicks on items that "
            "training holds; test on more sessions, or keep such clicks with --unseen-items keep"
        )
    return training, test


def _why_none(rules: Rules) -> str:
    """Why the filters leave no session."""
    longest = rules.max_session_clicks
    return (
        f"no session is left: none has {rules.min_session_clicks} "
        f"{f'to {longest} ' if longest else ''}clicks on items clicked at least "
        f"{rules.min_item_clicks} times; use a longer log or a smaller --min-item-clicks"
        f"{' or a larger --max-session-clicks' if longest else ''}"
    )


def _why_one_side(dates: FloatArray, rules: Rules, all_test: bool) -> str:
    """Why the split puts all sessions into the test part, or none; ``dates`` are theirs."""
    option, unit, units = rules.period
    if rules.test_fraction is not None:
        asked = f"--test-fraction {rules.test_fraction:g} of {len(dates)} sessions"
    else:
        asked = f"{option} {rules.test_period / unit:g} of {np.ptp(dates) / unit:.3g} {units}"
    return (
        f"no {'training' if all_test else 'test'} session is left: {asked} takes "
        f"{'all' if all_test else 'none'} for the test; give {'less' if all_test else 'more'} or "
        "use a longer log"
    )


def _filter(clicks: Clicks, rules: Rules) -> Clicks:
    if clicks.dates is None:  # fixed before clicks are dropped, as in the literature
        clicks = replace(clicks, dates=clicks.session_dates)
    clicks = drop_short_sessions(clicks, rules.min_session_clicks)
    clicks = drop_rare_items(clicks, rules.min_item_clicks)
    clicks = drop_short_sessions(clicks, rules.min_session_clicks)
    if rules.max_session_clicks is not None:
        clicks = drop_long_sessions(clicks, rules.max_session_clicks)
    return clicks


def _split(clicks: Clicks, rules: Rules) -> tuple[Clicks, Clicks]:
    if rules.test_fraction is not None:
        clicks = sort_by_time(clicks)
        cut = len(clicks.sessions) - round(len(clicks.sessions) * rules.test_fraction)
        return clicks.slice(0, cut), clicks.slice(cut, len(clicks.sessions))
    dates = clicks.session_dates
    cut_date = dates.max() - rules.test_period
    before = dates <= cut_date if rules.at_cut == "train" else dates < cut_date
    after = dates >= cut_date if rules.at_cut == "test" else dates > cut_date
    return (
        sort_by_time(keep_sessions(clicks, before)),
        sort_by_time(keep_sessions(clicks, after)),
    )
