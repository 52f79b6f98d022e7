"""The processes of one training: torch's default process group, or one process alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from recbole_mdcns.errors import ConfigError, TrainingError

#: Words of gloo and NCCL about a process that has gone.
_GONE = ("Connection closed", "Connection reset", "Broken pipe", "Connection refused", "Timed out", "NCCL", "peer")


@dataclass(frozen=True)
class Group:
    """The processes that train together.

    Attributes:
        rank: The number of this process, from 0.
        size: The number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Group:
        """Return the group of this process; one process alone unless torch's process group was started."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def own(self, number: int) -> slice:
        """Return this process's share of things in order; shares differ by at most one."""
        return slice(self.rank * number // self.size, (self.rank + 1) * number // self.size)

    def computed(self, number: int) -> slice:
        """Return the things that this process computes: its own, or the first one if it has none.

        All processes then take the same steps, also with fewer things than processes.
        """
        mine = self.own(number)
        return mine if mine.start < mine.stop else slice(0, 1)

    def joined(self, part: Tensor, number: int) -> Tensor:
        """Return all processes' parts of a tensor in order; only this process's own part has a gradient.

        Every process gets the same bits: each number is added to zeros.

        Args:
            part: The rows of :meth:`computed`; those that are not its own are left out.
            number: The number of rows of all processes together.

        Returns:
            Shape [number, ...].
        """
        if self.size == 1:
            return part
        mine = self.own(number)
        part = part[: mine.stop - mine.start]
        whole = part.new_zeros(number, *part.shape[1:])
        whole[mine] = part.detach()
        dist.all_reduce(whole)
        return torch.cat([whole[: mine.start], part, whole[mine.stop :]])

    def summed(self, part: Tensor) -> Tensor:
        """Return the sum of a number over the processes; only this process's own part has a gradient."""
        if self.size == 1:
            return part
        whole = part.detach().clone()
        dist.all_reduce(whole)
        return whole + (part - part.detach())

    def total(self, number: int) -> int:
        """Return the sum of a whole number over the processes."""
        if self.size == 1:
            return number
        everyone: list[int] = [0] * self.size
        dist.all_gather_object(everyone, int(number))
        return sum(everyone)

    def check_same(self, values: Mapping[str, Any]) -> None:
        """Check before training that all processes were given the same.

        Args:
            values: Short plain values by the words that name them in the message.

        Raises:
            ConfigError: Two processes differ; names the first difference.
        """
        if self.size == 1:
            return
        everyone: list[Any] = [None] * self.size
        dist.all_gather_object(everyone, dict(values))
        for rank, others in enumerate(everyone):
            for name, value in everyone[0].items():
                if others[name] != value:
                    raise ConfigError(
                        f"process {rank} has another {name} than process 0: {others[name]}, not {value}; "
                        "start all processes with the same command on the same data"
                    )


def gpu_of_process() -> dict[str, str]:
    """Return the key ``gpu_id`` of one of several processes: each takes the GPU of its number on its machine."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return {}
    number = int(os.environ.get("LOCAL_RANK", "0"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return {"gpu_id": visible[number] if number < len(visible) and visible[number] else str(number)}


@contextlib.contextmanager
def started(backend: str, device_type: str) -> Iterator[Group]:
    """Join the processes that ``torchrun`` or Ray Train has started, if there are any, for a ``with`` block.

    Args:
        backend: ``gloo``, ``nccl``, or ``auto``: NCCL on GPUs and gloo on CPUs.
        device_type: ``cuda`` or ``cpu``.

    Raises:
        ConfigError: The backend does not work here.
    """
    if Group.current().size > 1 or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Group.current()
        return
    if backend == "auto":
        backend = "nccl" if device_type == "cuda" else "gloo"
    if backend == "nccl" and device_type != "cuda":
        raise ConfigError("distributed_backend = 'nccl' is not allowed on a CPU: choose gloo or auto")
    if not getattr(dist, f"is_{backend}_available")():
        raise ConfigError(f"distributed_backend = {backend!r} is not in this build of torch")
    dist.init_process_group(backend)
    try:
        yield Group.current()
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def alive(group: Group, advice: str) -> Iterator[None]:
    """Say in one sentence that another process has gone.

    Raises:
        TrainingError: Instead of the error of a lost connection.
    """
    try:
        yield
    except RuntimeError as error:
        if group.size == 1 or not any(word in str(error) for word in _GONE):
            raise
        reason = str(error).splitlines()[0]
        raise TrainingError(f"another of the {group.size} processes has ended ({reason}); {advice}") from error
