"""The rows of an evaluation that each process ranks, and their results in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.parallel.group import Group


class RowShares:
    """Every process ranks every P-th batch of a pass, exactly as one process would: the scores are bitwise equal."""

    def __init__(self, group: Group):
        self.group = group
        self._sizes: list[int] = []  # of all batches so far

    def takes(self, row_num: int) -> bool:
        """Count a batch, and tell whether this process ranks it."""
        self._sizes.append(row_num)
        return (len(self._sizes) - 1) % self.group.size == self.group.rank

    def names(self, own: Iterable[str]) -> list[str]:
        """Return the names that any process has, in one order for all."""
        if self.group.size == 1:
            return list(own)
        everyone: list[Any] = [None] * self.group.size
        dist.all_gather_object(everyone, list(own))
        return list(dict.fromkeys(name for names in everyone for name in names))

    def joined(self, own: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """Return what all processes have collected, in the order of the rows.

        Args:
            own: This process's tensors by name, one row for each row of its batches.
            device: The device of tensors of which this process has no row.

        Returns:
            Tensors with one row for each row of the pass.

        Raises:
            ConfigError: A tensor does not have one row for each row of the pass.
        """
        if self.group.size == 1:
            return dict(own)
        forms: list[Any] = [None] * self.group.size
        dist.all_gather_object(forms, {name: (value.dtype, value.shape[1:]) for name, value in own.items()})
        known = {name: form for of_process in forms for name, form in of_process.items()}
        return {name: self._joined(name, own.get(name), known[name], device) for name in sorted(known)}

    def _joined(
        self, name: str, own: Tensor | None, form: tuple[torch.dtype, torch.Size], device: torch.device
    ) -> Tensor:
        dtype, shape = form
        batch = torch.arange(len(self._sizes)).repeat_interleave(torch.tensor(self._sizes))
        mine = batch % self.group.size == self.group.rank
        found = 0 if own is None else len(own)
        if self.group.total(found != int(mine.sum())):
            raise ConfigError(f"metrics: {name} lacks one row for each row of the data: evaluate it in one process")
        carried = torch.uint8 if dtype == torch.bool else dtype
        whole = torch.zeros(len(batch), *shape, dtype=carried, device=device if own is None else own.device)
        if own is not None:
            whole[mine.to(whole.device)] = own.to(carried)
        dist.all_reduce(whole)
        return whole.to(dtype)
