"""The literature's steps in plain Python: a csv reader, dicts and lists, one row at a time.

Written from the description of the protocol alone and sharing nothing with the package, so that
it can serve as the slow reference of the tests and as the other side of ``convert_speed.py``.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DAY = 86_400.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Click = tuple[str, float]  # item, time
Session = tuple[str, list[Click]]


@dataclass
class Log:
    """Clicks as they stand in the file, and the date of each session's last row."""

    clicks: dict[str, list[tuple[str, float, float]]] = field(default_factory=dict)
    dates: dict[str, float] = field(default_factory=dict)
    named: list[tuple[str, str, str]] = field(default_factory=list)  # session, item, category

    def add(self, session: str, item: str, time: float, key: float, date: float) -> None:
        """One row: ``key`` puts the clicks of a session in order."""
        self.clicks.setdefault(session, []).append((item, time, key))
        self.dates[session] = date


def rows(path: Path, names: list[str] | None = None, delimiter: str = ",") -> Iterable[Any]:
    """Rows of a file as dicts."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        yield from csv.DictReader(file, names, delimiter=delimiter)


def seconds(text: str) -> float:
    """ISO time to seconds since 1970, exactly to the microsecond; UTC without a zone."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - EPOCH) // timedelta(microseconds=1) / 1_000_000


# ------------------------------------------------------------------------------ raw formats


def read_diginetica(path: Path, delimiter: str = ";", order: str = "time") -> Log:
    """``train-item-views.csv``, either spelling of the header."""
    log = Log()
    for row in rows(path, delimiter=delimiter):
        session = row.get("session_id") or row["sessionId"]
        item = row.get("item_id") or row["itemId"]
        frame = float(row["timeframe"])
        key = frame if order == "time" else 0
        log.add(session, item, frame, key, seconds(row["eventdate"]))
    for session, clicks in log.clicks.items():
        date = log.dates[session]
        log.clicks[session] = [(item, date + time / 1000, key) for item, time, key in clicks]
    return log


def read_yoochoose(path: Path, order: str = "file") -> Log:
    """``yoochoose-clicks.dat``."""
    log = Log()
    for row in rows(path, ["session", "time", "item", "category"]):
        time = seconds(row["time"])
        log.add(row["session"], row["item"], time, time if order == "time" else 0, time // 1)
        log.named.append((row["session"], row["item"], row["category"]))
    return log


def read_tmall_sessions(path: Path, last: int = 120_000) -> Log:
    """``dataset15.csv``."""
    log = Log()
    for row in rows(path, delimiter="\t"):
        if int(row["SessionId"]) <= last:
            time = float(row["Time"])
            log.add(row["SessionId"], row["ItemId"], time, 0, time)
    return log


def read_tmall_log(path: Path, actions: str = "0") -> Log:
    """``user_log_format1.csv``: a session is a day of a user."""
    log = Log()
    for row in rows(path):
        if row["action_type"] in actions:
            text = row["time_stamp"].zfill(4)
            time = seconds(f"2014-{text[:2]}-{text[2:]}")
            session = f"{row['user_id']}-{text}"
            log.add(session, row["item_id"], time, 0, time)
            log.named.append((session, row["item_id"], row["cat_id"]))
    return log


def cut_users(clicks: list[tuple[str, str, float, str]], gap: float, order: str = "time") -> Log:
    """User, item, time and category of each row to sessions without a long pause."""
    by_user: dict[str, list[tuple[float, int]]] = {}
    for row, (user, _, time, _) in enumerate(clicks):
        by_user.setdefault(user, []).append((time, row))
    log, session_of_row = Log(), {}
    for user, visits in by_user.items():
        number, former = 0, None
        for time, row in sorted(visits):
            number += former is None or time - former > gap
            former = time
            session_of_row[row] = f"{user}-{number}"
            log.clicks.setdefault(session_of_row[row], [])
    for row, (_, item, time, category) in enumerate(clicks):
        add_timed(log, session_of_row[row], item, time, order)
        log.named.append((session_of_row[row], item, category))
    return log


def add_timed(log: Log, session: str, item: str, time: float, order: str = "time") -> None:
    """One row of a log whose sessions are dated by their last click in order."""
    if order == "time":
        log.add(session, item, time, time, max(time, log.dates.get(session, time)))
    else:
        log.add(session, item, time, 0, time)


# ------------------------------------------------------------------------------ the rules


def split(
    log: Log,
    *,
    period: float,
    at_cut: str = "drop",
    least_item: int = 5,
    longest: int | None = None,
    fraction: float | None = None,
    keep_unseen: bool = False,
) -> tuple[list[Session], list[Session]]:
    """Filter, split, sort; training and test sessions."""
    sessions = {}
    for name, clicks in log.clicks.items():
        if len(clicks) > 1:
            sessions[name] = [(i, t) for i, t, _ in sorted(clicks, key=lambda click: click[2])]
    counts = Counter(item for clicks in sessions.values() for item, _ in clicks)
    for name in list(sessions):
        left = [click for click in sessions[name] if counts[click[0]] >= least_item]
        if len(left) < 2 or (longest and len(left) > longest):
            del sessions[name]
        else:
            sessions[name] = left
    training, test = _by_date(sessions, log.dates, period, at_cut, fraction)
    seen = {item for name in training for item, _ in sessions[name]}
    known = [(n, [c for c in sessions[n] if keep_unseen or c[0] in seen]) for n in test]
    return [(name, sessions[name]) for name in training], [s for s in known if len(s[1]) > 1]


def _by_date(
    sessions: dict[str, list[Click]],
    dates: dict[str, float],
    period: float,
    at_cut: str,
    fraction: float | None,
) -> tuple[list[str], list[str]]:
    ordered = sorted(sessions, key=lambda name: dates[name])
    if not ordered:
        return [], []
    if fraction is not None:
        cut = len(ordered) - round(len(ordered) * fraction)
        return ordered[:cut], ordered[cut:]
    last = max(dates[name] for name in ordered) - period
    training = [n for n in ordered if dates[n] < last or (dates[n] == last and at_cut == "train")]
    test = [n for n in ordered if dates[n] > last or (dates[n] == last and at_cut == "test")]
    return training, test


def last_part(training: list[Session], parts: int) -> list[Session]:
    """Augment, keep the last ``1/parts`` of the rows, and take the sessions they come from."""
    session_of_row = [n for n, (_, clicks) in enumerate(training) for _ in clicks[1:]]
    kept = session_of_row[len(session_of_row) - len(session_of_row) // parts :]
    return training[kept[0] :]


def frequent_categories(
    log: Log, training: list[Session], ignored: tuple[str, ...] = ("",)
) -> dict[str, str]:
    """Most frequent category of an item's training rows; of equally many, the first named."""
    names = {name for name, _ in training}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for session, item, category in log.named:
        if session in names and category not in ignored:
            counts[item][category] += 1
    return {item: counter.most_common(1)[0][0] for item, counter in counts.items()}


# ------------------------------------------------------------------------------ atomic files


def write(
    folder: Path, training: list[Session], test: list[Session], category_of_item: dict[str, str]
) -> None:
    """Write the atomic files; validation is the last twentieth of the training sessions."""
    folder.mkdir(parents=True)
    cut = len(training) - max(round(len(training) / 20), 1)
    splits = {"train": training[:cut], "valid": training[cut:], "test": test}
    for name, sessions in splits.items():
        with (folder / f"{folder.name}.{name}.inter").open("w", encoding="utf-8") as file:
            file.write("session_id:token\titem_id:token\ttimestamp:float\n")
            for session, clicks in sessions:
                for item, time in clicks:
                    file.write(f"{session}\t{item}\t{_text(time)}\n")
    items = dict.fromkeys(item for _, clicks in training for item, _ in clicks)
    with (folder / f"{folder.name}.item").open("w", encoding="utf-8") as file:
        file.write("item_id:token\tcategory:token\n")
        for item in items:
            file.write(f"{item}\t{category_of_item.get(item, '')}\n")


def _text(time: float) -> str:
    return str(int(time)) if time.is_integer() else repr(time)


def convert_yoochoose(path: Path, folder: Path, parts: int = 64) -> None:
    """The whole way of ``convert yoochoose``."""
    log = read_yoochoose(path)
    training, test = split(log, period=DAY)
    training = last_part(training, parts)
    write(folder, training, test, frequent_categories(log, training, ("", "0", "S")))


def convert_tmall(path: Path, folder: Path) -> None:
    """The whole way of ``convert tmall`` from the user log."""
    log = read_tmall_log(path)
    training, test = split(log, period=DAY, at_cut="train", longest=40)
    write(folder, training, test, frequent_categories(log, training))


CONVERTERS: dict[str, Callable[[Path, Path], None]] = {
    "yoochoose": convert_yoochoose,
    "tmall": convert_tmall,
}
