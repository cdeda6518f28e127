"""Ray, started on this machine for the while or joined where it runs already."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recbole_a2d.errors import UserError


@contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """Ray's module, connected for as long as the block runs.

    Args:
        address: HOST:PORT of a running cluster, ``auto`` for the one of this machine; None
            starts Ray here and ends it with the block.

    Raises:
        UserError: no cluster answers.
    """
    # Ray's usage report and its check for a newer version would go over the network.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    where: dict[str, Any] = {"address": "local", "include_dashboard": False}
    if address is not None:
        _check_listening(address)
        where = {"address": address}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _nobody(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listening(address: str) -> None:
    """Ray itself goes on trying for minutes where nobody listens."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise _nobody(address, error) from error


def _nobody(address: str | None, error: Exception) -> UserError:
    detail = " ".join(str(error).split())[:200]
    return UserError(f"no Ray cluster at {address} ({detail}); check --address")
