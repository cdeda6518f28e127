"""Names of data sets, which become parts of paths."""

from __future__ import annotations

import re

from recbole_a2d.errors import UserError

SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def check_name(name: str, hint: str) -> None:
    """Refuse a name that could lead out of the folders that are named after it.

    Args:
        name: of a data set.
        hint: where the user can give another one.

    Raises:
        UserError: as said.
    """
    if not SAFE_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot name a data set: use letters, digits, '_', '-' and '.', "
            f"not beginning with '.'; {hint}"
        )
