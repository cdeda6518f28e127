"""Several processes train one model, each on its share of every batch.

::

    torchrun --nproc_per_node 2 run_recbole_a2d.py --dataset shop

Every process holds the whole model and all sessions, and takes every n-th row of what one
process would take: of a batch of ``n * train_batch_size`` rows in training, of the held-out rows
in ranking. After the backward pass gradients are averaged, weighted by rows, so a step of n
processes is the step of one process with n times the batch. Ranks are put together, so that
every process sees the same metrics and stops at the same epoch. The first process alone writes
and speaks.

torch's DistributedDataParallel is not used. It hooks into ``forward`` and expects every process to
use every parameter in every step; models here are called through ``calculate_loss``, and what a
step uses may depend on its rows. What it would give is communication during the backward pass,
and there is little to hide: nearly all of the gradient is the item table's, which is the first
layer and the last one too, so that its gradient is complete only at the very end. So gradients
are summed after the backward pass: the large ones where they lie, the rest as one flat array.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from recbole_a2d.errors import UserError

VISIBLE_GPUS = os.environ.get("CUDA_VISIBLE_DEVICES")
"""What was set for this process, if anything; RecBole's Config writes its choice over it."""

LARGE = 1 << 20
"""Numbers from which on a gradient is summed where it lies, without a copy."""


OTHERS_MEET_IT_TOO = 5.0
"""Seconds to wait for the others where one has met an error that all should meet."""


class ProcessLost(UserError):
    """Another process of the run has ended before its time."""


class Step(NamedTuple):
    """What a training step of all processes came to: mean loss and rows."""

    loss: float
    rows: int


# ---------------------------------------------------------------------- the processes


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that torchrun started, for as long as the block runs.

    Tensors on the CPU go through gloo, those on a GPU through nccl. An error that all processes
    meet (a wrong option) is raised by the one that meets it first; the others leave with exit code
    2, so that it is told once.

    Raises:
        UserError: the environment is not as torchrun makes it.
        ProcessLost: the processes do not find each other.
    """
    try:
        with _together():
            store, number, size = next(dist.rendezvous("env://"))
            dist.init_process_group(store=store, rank=number, world_size=size)
    except ValueError as error:
        raise UserError(f"WORLD_SIZE is set, but {error}; start with torchrun") from error
    if number > 0:
        logging.disable(logging.WARNING)
    try:
        yield
        wait_for_all()  # who leaves while others still write breaks their connections
    except UserError as error:
        if not _first_to_tell(store, number, size):
            raise SystemExit(2) from error
        raise
    finally:
        logging.disable(logging.NOTSET)
        dist.destroy_process_group()


def _first_to_tell(store: dist.Store, number: int, size: int) -> bool:
    """Whether this process is to tell an error; the one that keeps the store leaves last."""
    try:
        first = bool(store.compare_set("told", "", str(number)) == str(number).encode())
        asked, patient = store.add("asked", 1), time.monotonic() + OTHERS_MEET_IT_TOO
        while number == 0 and asked < size and time.monotonic() < patient:
            time.sleep(0.02)
            asked = store.add("asked", 0)
    except RuntimeError:  # whoever kept the store is gone, and cannot tell it either
        return True
    return first


def size() -> int:
    """How many processes there are; 1 outside :func:`joined`."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


def launcher() -> tuple[str, ...]:
    """The words that start this script in so many processes."""
    return ("torchrun", "--nproc_per_node", str(size())) if size() > 1 else ("python",)


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # gloo begins with the place in its own source.
        detail = " ".join(str(error).split()).split("] ", 1)[-1][:100]
        raise ProcessLost(
            "another process of this run has ended or does not answer; give the same command again "
            f"to go on from the last finished epoch ({detail})"
        ) from error


def own_gpu(wanted: str) -> str:
    """The one of the wanted GPUs that this process works on: of several the one with its number.

    Args:
        wanted: ``gpu_id``: numbers with commas between; empty for none, one means all there are.

    Raises:
        UserError: more processes on this machine than GPUs named.
    """
    if size() == 1 or not wanted:
        return wanted
    number, named = int(os.environ["LOCAL_RANK"]), wanted.split(",")
    if len(named) == 1:
        return str(number)
    if number >= len(named):
        raise UserError(f"gpu_id names {len(named)} GPUs and there are more processes; name more")
    return named[number]


# ---------------------------------------------------------------------- agreement


def wait_for_all() -> None:
    """Go on when every process has come this far (the first one's files are written)."""
    if size() > 1:
        with _together():
            dist.barrier()


def same_everywhere(fact: object, complaint: str) -> None:
    """Check that a fact is the same in all processes.

    Raises:
        UserError: it is not; says the complaint.
    """
    if size() == 1:
        return
    digest = hashlib.sha256(repr(fact).encode()).digest()
    number = int.from_bytes(digest[:7], "big")
    extremes = torch.tensor([number, -number])
    with _together():
        dist.all_reduce(extremes, dist.ReduceOp.MAX)
    if int(extremes.sum()) != 0:
        raise UserError(f"the processes of this run differ: {complaint}")


@torch.no_grad()
def copy_from_first(model: nn.Module) -> None:
    """Give every process the first one's parameters and buffers."""
    if size() == 1:
        return
    with _together():
        for tensor in [*model.parameters(), *model.buffers()]:
            dist.broadcast(tensor.detach(), 0)


def sum_over_processes(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum of the arrays of all processes, ``[rows] -> [rows]``."""
    if size() == 1:
        return numbers
    total = torch.from_numpy(numbers.copy())
    with _together():
        dist.all_reduce(total)
    summed: NDArray[np.int64] = total.numpy()
    return summed


def draw_apart() -> None:
    """From here on every process draws numbers (dropout) of its own.

    To be called after an epoch's first step: what a model draws once an epoch (MTD's graph fit)
    must be the same everywhere.
    """
    if size() > 1:
        torch.manual_seed(torch.initial_seed() * 1_009 + rank())


# ---------------------------------------------------------------------- gradients


@torch.no_grad()
def average_gradients(
    parameters: Iterable[nn.Parameter], loss: float, rows: int, sparse: Iterable[Tensor] = ()
) -> Step:
    """Replace every gradient by the mean over the rows of all processes.

    A parameter that no process has a gradient for stays without one, as it would in a single
    process; where some have one, the others count as zeros.

    Args:
        parameters: in the same order in every process.
        loss: mean over this process's rows; anything where it has none.
        rows: of this process, 0 if the batch was too small for it.
        sparse: those of the parameters whose gradient holds a few rows alone.

    Returns:
        Mean loss over all rows, and their number. Where the loss is not finite in one process,
        it is not in any, and the gradients are left alone.
    """
    own = list(parameters)
    if size() == 1:
        return Step(loss, rows)
    step, used = _totals(own, loss, rows)
    if np.isfinite(step.loss):
        of_rows = {id(parameter) for parameter in sparse}
        held = [own[place] for place in used]
        dense = [_gradient(one) for one in held if id(one) not in of_rows]
        _sum_scaled(dense, rows / step.rows)
        for parameter in held:
            if id(parameter) in of_rows:
                _sum_sparse(parameter, rows / step.rows)
    return step


def _totals(parameters: list[nn.Parameter], loss: float, rows: int) -> tuple[Step, list[int]]:
    """Loss and rows of all, and the places of parameters that have a gradient anywhere."""
    present = [float(parameter.grad is not None) for parameter in parameters]
    facts = torch.tensor([loss * rows if rows else 0.0, float(rows), *present], dtype=torch.float64)
    with _together():
        dist.all_reduce(facts)
    total, count, *holders = facts.tolist()
    step = Step(total / max(count, 1), int(count))
    return step, [place for place, holder in enumerate(holders) if holder > 0]


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _sum_sparse(parameter: nn.Parameter, share: float) -> None:
    """Sum a gradient of a few rows, of which each process may have others, or none."""
    own = parameter.grad
    if own is None:
        no_rows = torch.empty(1, 0, dtype=torch.long, device=parameter.device)
        own = torch.sparse_coo_tensor(no_rows, parameter[:0], parameter.shape)
    summed = (own * share).coalesce()
    with _together():
        dist.all_reduce(summed)
    parameter.grad = summed


def _sum_scaled(grads: list[Tensor], share: float) -> None:
    small = [grad for grad in grads if grad.numel() < LARGE]
    with _together():
        for grad in grads:
            if grad.numel() >= LARGE:
                dist.all_reduce(grad.mul_(share))
        if small:
            flat = torch.cat([grad.reshape(-1) for grad in small]).mul_(share)
            dist.all_reduce(flat)
            parts = flat.split([grad.numel() for grad in small])
            for grad, part in zip(small, parts, strict=True):
                grad.copy_(part.view_as(grad))
