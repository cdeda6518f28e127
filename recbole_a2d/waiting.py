"""How threads wait for each other, which is to be told before torch starts any.

A step is hundreds of operations that several threads share. One that is done early waits by
turning in a loop, by default of GNU's OpenMP for milliseconds, which is quickest as long as each
thread has a processor to itself. Where other programs want them too, it keeps the one it waits
for from running: docs/performance.md has figures. A shorter loop bridges the gaps within a step
all the same.
"""

from __future__ import annotations

from collections.abc import MutableMapping

TURNS = "50000"
"""Of 300,000 by default; some tenths of a millisecond to two, by the processor."""
_TOLD_BY = frozenset({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"})


def limit_spinning(environment: MutableMapping[str, str]) -> None:
    """Shorten the loop, unless the user has said how to wait; libraries of other makers pass it by.

    Args:
        environment: of the process, before torch is imported.
    """
    if not _TOLD_BY & environment.keys():
        environment["GOMP_SPINCOUNT"] = TURNS
