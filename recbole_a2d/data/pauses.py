"""Sessions of users whose log has no session ids: a long pause begins a new one."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import compute

from recbole_a2d.data.raw_table import Names
from recbole_a2d.data.sessions import IntArray
from recbole_a2d.data.tables import FloatArray
from recbole_a2d.errors import UserError

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_gap(text: str) -> float:
    """Seconds of a pause such as ``30m``, ``1h``, ``90s`` or plain seconds.

    Raises:
        UserError: it is nothing of that kind, or not above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text, re.ASCII)
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if not 0 < seconds < np.inf:
        raise UserError(f"--gap {text} is not a pause like 30m, 1h or 90s")
    return seconds


def cut_at_pauses(
    users: Names, time: FloatArray, gap_seconds: float
) -> tuple[IntArray, pyarrow.StringArray]:
    """Cut the rows of each user where the time between two of them is above the gap.

    Args:
        users: user of each row.
        time: seconds, shape ``[rows]``, in any order.
        gap_seconds: pauses up to this long do not cut.

    Returns:
        Session code of each row (users in order of first appearance, sessions in order of time),
        and the name of each session: ``user-number``, numbers from 1.
    """
    codes, used = pd.factorize(users.codes)  # by first appearance in these very rows
    order = np.lexsort((time, codes))
    user, seconds = codes[order], time[order]
    new_user = np.diff(user, prepend=-1) != 0
    begins = new_user | (np.diff(seconds, prepend=seconds[:1]) > gap_seconds)
    sessions = np.empty(len(user), dtype=np.int64)
    sessions[order] = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    first_of_user = np.maximum.accumulate(np.where(new_user[starts], np.arange(len(starts)), 0))
    number = np.arange(len(starts)) - first_of_user + 1
    names = compute.binary_join_element_wise(
        users.names.take(pyarrow.array(used[user[starts]])),
        pyarrow.array(number).cast(pyarrow.string()),
        "-",
    )
    return sessions, names
