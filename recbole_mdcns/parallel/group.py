"""The processes of one training: torch's default process group, or one process alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from recbole_mdcns.errors import ConfigError


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
        """Return this process's share of a number of things, in order; shares differ by at most one."""
        return slice(self.rank * number // self.size, (self.rank + 1) * number // self.size)

    def computed(self, number: int) -> slice:
        """Return the things that this process computes: its own, or the first one if it has none.

        All processes then take the same steps, even if there are fewer things than processes.
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
                        f"{name} differs between processes: {value} in process 0, {others[name]} in process {rank}; "
                        "start all processes with the same command on the same data"
                    )
