"""The targets of an epoch in batches, on the training device: by row, by length bucket, or by user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_mdcns.data.batch import Passes, Sequences, TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START, ranges
from recbole_mdcns.data.windows import window_index, windows

#: Batches of users are cut from pools of this many batches, sorted by length: little padding, yet mixed users.
POOL = 16


class TargetLoader:
    """Every target of a training set exactly once per epoch, in random batches.

    * ``row``: batches of random rows, each with its own history; the plain way.
    * ``bucket``: rows of similar length share a batch, and the columns that are padding in all of them are left out.
    * ``user``: whole sequences, each encoded once; the state at a position serves the target behind it. A step has as
      many sequences as make about ``batch_size`` targets. Histories longer than the window L are cut into windows that
      begin L / 2 apart: each target has at least the newest L / 2 items of its history before it.

    Args:
        dataset: The training part.
        batch_size: Targets per batch.
        mode: ``row``, ``bucket`` or ``user``.
        with_rows: In mode ``user``, also give every target's own history, for a model that is not causal.
        generator: Source of the order, on the CPU; None keeps the order of the data.
        device: Where batches are made.
    """

    def __init__(
        self,
        dataset: HistoryDataset,
        batch_size: int,
        mode: str,
        with_rows: bool,
        generator: torch.Generator | None,
        device: torch.device,
    ):
        rows = dataset.inter_feat
        fields = (dataset.uid_field, dataset.iid_field, HISTORY_START, HISTORY_END)
        self.user, self.target, self.start, self.end = (rows[field].to(device) for field in fields)
        self.number = torch.arange(len(self.target), device=device)
        self.items = dataset.history.items.to(device)
        self.width, self.pad_side = dataset.max_item_list_len, dataset.config["pad_side"]
        self.batch_size, self.mode, self.with_rows = batch_size, mode, with_rows
        self.generator, self.device = generator, device
        if mode == "user":
            self._cut_into_passes()

    def __len__(self) -> int:
        total = len(self.target)
        return max(1, round(total / self.batch_size)) if self.mode == "user" else -(-total // self.batch_size)

    def __iter__(self) -> Iterator[TargetBatch]:
        if self.mode == "user":
            for passes, size in self._user_batches():
                yield self._of_passes(passes, size)
        else:
            for index, width in self._row_batches():
                yield self._of_rows(index, width)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _order(self, number: int) -> Tensor:
        order = torch.arange(number) if self.generator is None else torch.randperm(number, generator=self.generator)
        return order.to(self.device)

    def _targets(self, index: Tensor) -> TargetBatch:
        start, end = self.start[index], self.end[index]
        return TargetBatch(self.user[index], self.target[index], start, end, self.number[index])

    def _row_batches(self) -> list[tuple[Tensor, int]]:
        order = self._order(len(self.target))
        if self.mode == "row":
            return [(index, self.width) for index in order.split(self.batch_size)]
        length = (self.end - self.start).clamp(max=self.width)
        batches = self._shuffled(order[length[order].argsort(stable=True)].split(self.batch_size))
        return list(zip(batches, _totals(length, batches, Tensor.max)))

    def _shuffled(self, batches: Sequence[Tensor]) -> list[Tensor]:
        return [batches[number] for number in self._order(len(batches)).tolist()]

    def _of_rows(self, index: Tensor, width: int) -> TargetBatch:
        batch = self._targets(index)
        batch.rows = self._histories(batch, width)
        return batch

    def _histories(self, batch: TargetBatch, width: int) -> Sequences:
        length = (batch.history_end - batch.history_start).clamp(max=self.width)
        place, filled = window_index(batch.history_start, batch.history_end, width, self.pad_side)
        if self.pad_side == "left":
            length = torch.full_like(length, width)
        return Sequences(batch.user, windows(self.items, place, filled), length)

    # -- users --------------------------------------------------------------------------------------------------------

    def _cut_into_passes(self) -> None:
        by_time = self.end.argsort()  # ends are places in one flat array: in the order of users, then of time
        columns = (self.user, self.target, self.start, self.end, self.number)
        self.user, self.target, self.start, self.end, self.number = (column[by_time] for column in columns)
        stride = max(1, self.width // 2)
        beyond = (self.end - self.start - self.width).clamp(min=0)
        begin = self.start + (beyond + stride - 1) // stride * stride  # of the pass that serves a target
        is_first = torch.ones_like(begin, dtype=torch.bool)
        is_first[1:] = begin[1:] != begin[:-1]
        self.first = is_first.nonzero().squeeze(1)  # a pass's first target
        self.count = torch.diff(self.first, append=self.first.new_tensor([len(begin)]))
        self.begin = begin[self.first]
        self.length = self.end[self.first + self.count - 1] - self.begin

    def _user_batches(self) -> list[tuple[Tensor, _Size]]:
        order = self._order(len(self.first))
        pool = self.count[order].cumsum(0) // (POOL * self.batch_size)
        order = order[(pool * (self.width + 1) + self.length[order]).argsort(stable=True)]
        before = self.count[order].cumsum(0) - self.count[order]
        sizes = torch.bincount(before // self.batch_size)
        batches = self._shuffled(order.split(sizes[sizes > 0].tolist()))
        last = self.first + self.count - 1
        row_length = (self.end[last] - self.start[last]).clamp(max=self.width)
        return [
            (passes, _Size(*size))
            for passes, *size in zip(
                batches,
                _totals(self.count, batches, Tensor.sum),
                _totals(self.length, batches, Tensor.max),
                _totals(row_length, batches, Tensor.max),
            )
        ]

    def _of_passes(self, passes: Tensor, size: _Size) -> TargetBatch:
        row, index = ranges(self.first[passes], self.count[passes], size.targets)
        batch = self._targets(index)
        begin, length = self.begin[passes], self.length[passes]
        where, filled = window_index(begin, begin + length, size.width, "right")
        sequences = Sequences(self.user[self.first[passes]], windows(self.items, where, filled), length)
        batch.passes = Passes(sequences, row, batch.history_end - begin[row] - 1)
        if self.with_rows:
            batch.rows = self._histories(batch, size.row_width)
        return batch


class _Size(NamedTuple):
    """What a batch of passes needs to know on the host."""

    targets: int
    width: int
    row_width: int


def _totals(values: Tensor, batches: Sequence[Tensor], total: Callable[[Tensor], Tensor]) -> list[int]:
    """Return a number for each batch, reading the device once for all of them."""
    return torch.stack([total(values[index]) for index in batches]).tolist()
