"""The processes of a training: how they start, find each other, and end."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from fusionser.errors import SettingsError, TrainingError
from fusionser.execution.beside import running_beside
from fusionser.folders import brief_folder
from fusionser.networks.data_parallel import RowShare

__all__ = ["check_parallel", "device_of", "in_processes"]

INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Variables with the network interface that processes connect by."""

STORE = "store"


def check_parallel(processes: int, device: torch.device, batch_size: int) -> None:
    """Raise `SettingsError` if this machine cannot train a network in a number of processes.

    Parameters
    ----------
    processes : int
    device : torch.device
    batch_size : int
    """
    if processes == 1:
        return
    found = ""
    if not distributed.is_available() or not distributed.is_gloo_available():
        found = "but this torch was built without processes that train together"
    elif multiprocessing.current_process().daemon:
        found = "but this process cannot start others, as a worker of a cluster cannot"
    elif distributed.is_initialized():
        found = "but this process belongs to another group of torch.distributed"
    elif batch_size < processes:
        found = f"but batch_size is {batch_size}; expected at most that many processes"
    elif device.type == "cuda" and (device.index is not None or torch.cuda.device_count() < processes):
        count = torch.cuda.device_count() if device.index is None else 1
        found = f"but each needs a GPU of its own, and '{device}' means {count} of them"
    elif device.type == "cuda" and not distributed.is_nccl_available():
        found = "but this torch was built without NCCL, by which GPUs train together"
    elif device.type == "mps":
        found = "but mps can only train in one; set the device to cpu"
    if found:
        raise SettingsError(f"processes is {processes}, {found}; or leave processes at 1", parameter="processes")


def device_of(device: torch.device, rank: int) -> torch.device:
    """Return the device of one of several processes: each has its own GPU.

    Examples
    --------
    >>> device_of(torch.device("cuda"), 1)
    device(type='cuda', index=1)
    """
    return torch.device(device.type, rank) if device.type == "cuda" else device


@contextmanager
def _group(folder: Path, share: RowShare, device: torch.device) -> Iterator[None]:
    """Connect with the other processes, over the loopback interface only."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    before, hook = {name: os.environ.get(name) for name in INTERFACES}, sys.excepthook
    if loopback is not None:
        os.environ.update(dict.fromkeys(INTERFACES, loopback))
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=distributed.FileStore(str(folder / STORE), share.size),  # type: ignore[attr-defined]
            rank=share.rank,
            world_size=share.size,
        )
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        # Torch's would mark the errors of what comes after, too.
        sys.excepthook = hook
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@dataclass(frozen=True)
class _Rank:
    """What one of the other processes needs."""

    work: Callable[[torch.device, RowShare], object]
    folder: Path
    share: RowShare
    device: torch.device
    threads: int
    seed: int
    random: torch.Tensor


def _run(rank: _Rank) -> None:
    """Do the work of one of the other processes."""
    torch.set_num_threads(rank.threads)
    torch.manual_seed(rank.seed)
    torch.set_rng_state(rank.random)
    _ready(rank.folder, rank.share.rank).touch()
    with _group(rank.folder, rank.share, rank.device):
        rank.work(rank.device, rank.share)


def _ready(folder: Path, rank: int) -> Path:
    return folder / f"ready-{rank}"


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_processes(
    work: Callable[[torch.device, RowShare], Any], processes: int, device: torch.device, *, seed: int, name: str
) -> Any:
    """Do work in this process and in others, which have a process group of torch; return the answer of this one.

    The threads of torch are divided among them. The others begin with the random state of this one.

    Parameters
    ----------
    work : callable
        Called with the device and the share of each process. It is pickled.
    processes : int
    device : torch.device
    seed : int
        Seed of the generators of GPUs.
    name : str
        Name of the network, for errors.

    Raises
    ------
    TrainingError
        If one of the processes is ended from outside.
    """
    threads = max(1, torch.get_num_threads() // processes)
    with brief_folder() as folder, _threads(threads):
        make = partial(_Rank, work, folder, threads=threads, seed=seed, random=torch.get_rng_state())
        others = [make(RowShare(rank, processes), device_of(device, rank)) for rank in range(1, processes)]
        with running_beside(_run, others, threads=threads) as beside:
            try:
                beside.wait_until(lambda: all(_ready(folder, rank.share.rank).exists() for rank in others))
                share, place = RowShare(0, processes), device_of(device, 0)
                with _group(folder, share, place):
                    return work(place, share)
            except (RuntimeError, BrokenProcessPool) as error:
                cause = error if isinstance(error, BrokenProcessPool) else beside.failure()
                if isinstance(cause, BrokenProcessPool):
                    raise TrainingError(
                        f"one of the {processes} processes that train {name} was ended from outside, perhaps because "
                        "the memory was full; run again with fewer processes. With a cache, the training goes on from "
                        "its last checkpoint",
                        parameter="processes",
                    ) from error
                if cause is None or cause is error:
                    raise
                raise cause from error
