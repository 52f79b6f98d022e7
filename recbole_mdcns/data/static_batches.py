"""Batches of one shape, made from a counter on the device: a step can be captured once and replayed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from recbole_mdcns.data.batch import Passes, Rows, Sequences, TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.passes import PassTable, by_time, targets_of
from recbole_mdcns.data.windows import padded


class StaticBatches:
    """Every target of a training set exactly once per epoch, in random batches of exactly B targets.

    The passes of the training set (or its rows, if no model reads passes) come in a random order, and a batch takes the
    next B of their targets. A pass whose targets do not fit is in two batches, and each of them takes its part of the
    targets. An epoch's batches have the same number of passes, as wide as the longest one: those that a batch lacks are
    filled up with sequences of one item, and no target points to these. Only the last batch has fewer targets.

    A batch is made on the device without the host: :attr:`step` counts the batches, and the order of the epoch lies in
    tensors that keep their place. Batches of passes need 40 bytes per target and 48 per pass on the device, batches of
    rows alone 72 per target.

    Args:
        dataset: The training part.
        batch_size: B.
        reads_passes: Give passes, for causal models that ignore the other rows of a batch.
        reads_rows: Give each target's own history, for other models.
        generator: Source of the random order, on the CPU; with None the order is fixed.
        device: Where batches are made.

    Attributes:
        full_steps: The number of batches of B targets.
        remainder: The number of targets in the last batch; 0 if there is no smaller one.
        sequence_num: The number of passes in each batch of this epoch.
        step: The number of batches made in this epoch, a scalar on the device.
    """

    mode = "static"

    def __init__(
        self,
        dataset: HistoryDataset,
        batch_size: int,
        *,
        reads_passes: bool,
        reads_rows: bool,
        generator: torch.Generator | None,
        device: torch.device,
    ):
        self.targets = by_time(targets_of(dataset, device))
        self.items = dataset.history.items.to(device)
        self.pad_side: str = dataset.config["pad_side"]
        self.row_width: int = dataset.max_item_list_len
        self.batch_size, self.reads_passes, self.reads_rows = batch_size, reads_passes, reads_rows
        self.generator, self.device = generator, device
        self.full_steps, self.remainder = divmod(len(self.targets), batch_size)
        if reads_passes:
            self.passes = PassTable.of(self.targets, self.row_width)
        else:  # a pass for each target, which nothing reads
            one = torch.ones_like(self.targets.row_index)
            self.passes = PassTable(one.cumsum(0) - 1, one, self.targets.history_start, one)
        self.pass_width = int(self.passes.length.max())
        self.sequence_num = 0
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        self._order = torch.arange(len(self.passes.first), device=device)
        self._ends = torch.zeros_like(self._order)  # of the passes' targets, counted in the order of the epoch

    def __len__(self) -> int:
        return self.full_steps + (self.remainder > 0)

    def __iter__(self) -> Iterator[TargetBatch]:
        self.start_epoch()
        for _ in range(self.full_steps):
            yield self.next_batch()
        if self.remainder:
            yield self.last_batch()

    def start_epoch(self) -> None:
        """Draw the order of an epoch; the host waits once, for the number of its passes per batch."""
        if self.generator is not None:
            self._order.copy_(torch.randperm(len(self._order), generator=self.generator))
        torch.cumsum(self.passes.count[self._order], 0, out=self._ends)
        self.step.zero_()
        begin = torch.arange(len(self), device=self.device) * self.batch_size
        last = (begin + self.batch_size).clamp(max=len(self.targets)) - 1
        number = self._pass_of(last) - self._pass_of(begin) + 1
        self.sequence_num = rounded_up(int(number.max()))

    def next_batch(self) -> TargetBatch:
        """Make the batch of the current step, and count it; the host only launches kernels."""
        batch = self._batch(self.batch_size)
        self.step += 1
        return batch

    def last_batch(self) -> TargetBatch:
        """Make the last batch of the epoch, with the targets that are left."""
        return self._batch(self.remainder)

    def _pass_of(self, place: Tensor) -> Tensor:
        """Return which pass, in the order of the epoch, serves the targets at some places of this order."""
        return torch.searchsorted(self._ends, place, right=True)

    def _batch(self, size: int) -> TargetBatch:
        place = self.step * self.batch_size + torch.arange(size, device=self.device)
        slot = self._pass_of(place)
        index = self._order[slot]
        batch = self.targets.select(self.passes.first[index] + self.passes.count[index] - (self._ends[slot] - place))
        if self.reads_passes:
            position = batch.history_end - self.passes.begin[index] - 1
            batch.passes = [Passes(self._sequences(slot[0], slot[-1]), slot - slot[0], position)]
        if self.reads_rows:
            start, end = batch.history_start, batch.history_end
            batch.rows = Rows([padded(self.items, start, end, batch.user, self.row_width, self.pad_side)])
        return batch

    def _sequences(self, first: Tensor, last: Tensor) -> Sequences:
        """Return the passes from one slot to another, filled up to the number of sequences."""
        slot = first + torch.arange(self.sequence_num, device=self.device)
        index = self._order[torch.minimum(slot, last)]
        begin, user = self.passes.begin[index], self.targets.user[self.passes.first[index]]
        length = torch.where(slot <= last, self.passes.length[index], 1)
        return padded(self.items, begin, begin + length, user, self.pass_width, "right")


def rounded_up(number: int) -> int:
    """Return the next of a few numbers, at most an eighth or 7 larger, so that most epochs have the same."""
    grain = max(8, 1 << max(0, number.bit_length() - 4))
    return -(-number // grain) * grain
