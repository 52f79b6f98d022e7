"""The processes that ``torchrun`` or Ray Train has started: how they meet, and which of them reports an error."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist

from recbole_mdcns.errors import ConfigError, LostProcess, UserError
from recbole_mdcns.parallel.group import Group


def gpu_of_process() -> dict[str, str]:
    """Return the key ``gpu_id`` of one of several processes: each takes the visible GPU of its number on its machine.

    Source: ``torchrun`` and Ray Train number the processes of a machine in ``LOCAL_RANK``.
    """
    return {"gpu_id": os.environ.get("LOCAL_RANK", "0")} if _number() > 1 else {}


@contextlib.contextmanager
def met() -> Iterator[Any]:
    """Meet the processes that ``torchrun`` has started, if there are any, and leave them after a ``with`` block.

    One process reports an error or an interrupt that ends the block: the first that has it. The others only mark theirs
    as reported. This happens before the process leaves, and so before the others lose it.

    Yields:
        The store that all processes share, torch's; None for one process, and where Ray Train has started the group.

    Raises:
        ConfigError: The environment of a process is incomplete.
        LostProcess: The first process does not answer.
    """
    if _number() == 1 or Group.current().size > 1:
        yield None
        return
    try:
        store = next(iter(dist.rendezvous("env://")))[0]
    except ValueError as error:
        raise ConfigError(
            f"the {_number()} processes of WORLD_SIZE cannot meet ({error}): start them by torchrun"
        ) from None
    except RuntimeError as error:
        raise LostProcess(f"the first of the {_number()} processes does not answer ({_reason(error)})") from None
    try:
        yield store
    except (UserError, KeyboardInterrupt) as error:
        error.is_said = _is_said(store)  # type: ignore[union-attr]
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
            # A thread of gloo may still hold a tensor of the last step. It can give it up only while the interpreter
            # runs; at the interpreter's end it would abort the process.
            time.sleep(0.2)


def started(store: Any, backend: str, device_type: str) -> Group:
    """Start torch's process group of the processes that have met, and return it.

    Args:
        store: What :func:`met` gives; without one nothing is started.
        backend: ``gloo``, ``nccl``, or ``auto``.
        device_type: ``cuda`` or ``cpu``.

    Raises:
        ConfigError: The backend does not work here.
    """
    if store is not None:
        name = backend_for(backend, device_type)
        if device_type == "cuda":
            torch.cuda.set_device(int(gpu_of_process()["gpu_id"]))  # where torch gathers objects by NCCL
        dist.init_process_group(name, store=store, rank=int(os.environ["RANK"]), world_size=_number())
    return Group.current()


def backend_for(backend: str, device_type: str) -> str:
    """Return ``nccl`` on GPUs and ``gloo`` on CPUs for ``auto``, and a backend that works here as it is.

    Raises:
        ConfigError: It does not work here.
    """
    if backend == "auto":
        backend = "nccl" if device_type == "cuda" else "gloo"
    if backend == "nccl" and device_type != "cuda":
        raise ConfigError("distributed_backend = 'nccl' is not allowed on a CPU: choose gloo or auto")
    if not getattr(dist, f"is_{backend}_available")():
        raise ConfigError(f"distributed_backend = {backend!r} is not in this build of torch")
    return backend


@contextlib.contextmanager
def alive() -> Iterator[None]:
    """Turn the loss of another process into one sentence, whatever the processes were doing together.

    Raises:
        LostProcess: Instead of torch's error of a lost connection.
    """
    try:
        yield
    except RuntimeError as error:
        if _number() == 1 or not _is_of_connections(error):
            raise
        raise LostProcess(
            f"another of the {_number()} processes has ended ({_reason(error)}); start all of them again with "
            "--resume: they continue after the last finished epoch, if there is one"
        ) from error


def _number() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _is_of_connections(error: RuntimeError) -> bool:
    """Tell whether an error is torch's about NCCL or its store, or gloo's, which has no class and names its file."""
    return isinstance(error, getattr(dist, "DistError", dist.DistBackendError)) or "gloo" in str(error)


def _reason(error: Exception) -> str:
    """Return the first sentence of torch's error, without the place in its source."""
    return re.sub(r"^\[\S+\] ", "", str(error).splitlines()[0]).split(". ")[0]


def _is_said(store: Any) -> bool:
    """Tell whether another process has called this before; False if the store has ended with its process."""
    try:
        return store.add("said", 1) > 1
    except RuntimeError:
        return False
