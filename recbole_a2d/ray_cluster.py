"""Ray, started on this machine for the while or joined where it runs already."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    with warnings.catch_warnings():  # it asks for pkg_resources
        warnings.simplefilter("ignore")
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


@dataclass(frozen=True)
class Resources:
    """What a trial or a cell gets."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus} CPUs, {self.gpus:g} GPUs"


def machines(ray: Any) -> list[dict[str, float]]:
    """Resources of every machine of the cluster that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def resources(found: Sequence[dict[str, float]], cpus: int | None, gpus: float | None) -> Resources:
    """Resources of one trial or cell; Ray would wait for ever for what no machine has.

    Args:
        found: of :func:`machines`.
        cpus: None: one processor, or the equal part of the processors where there are GPUs.
        gpus: None: one where a machine has one.

    Raises:
        UserError: no machine has so many.
    """
    with_gpus = [machine for machine in found if machine.get("GPU", 0.0)]
    if gpus is None:
        gpus = 1.0 if with_gpus else 0.0
    if cpus is None:
        parts = [_part(machine, gpus) for machine in with_gpus if gpus]
        cpus = min(parts, default=1)
    if not any(m.get("CPU", 0) >= cpus and m.get("GPU", 0) >= gpus for m in found):
        most = [max((m.get(kind, 0.0) for m in found), default=0.0) for kind in ("CPU", "GPU")]
        options = "--cpus or --gpus" if gpus else "--cpus"
        raise UserError(
            f"{Resources(cpus, gpus)} are asked for, and no machine of the cluster has them (the "
            f"most are {most[0]:g} and {most[1]:g}); lower {options}"
        )
    return Resources(cpus, gpus)


def given_gpus() -> dict[str, str]:
    """The setting that keeps a task to what Ray gave it: its GPUs, or none.

    Looked up anew for each task: a worker of Ray's does one after another, with other GPUs.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {} if visible is None else {"gpu_id": visible}


def _part(machine: dict[str, float], gpus: float) -> int:
    """The processors of a machine by how many that want so many GPUs it has room for."""
    at_once = max(1, int(machine["GPU"] // gpus))
    return max(1, int(machine.get("CPU", 1) // at_once))


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
