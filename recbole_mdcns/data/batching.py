"""The targets of an epoch in random batches on the training device: by row, by bucket of similar rows, or by user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_mdcns.data.batch import Passes, Rows, TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import ranges
from recbole_mdcns.data.passes import PassTable, by_time, targets_of
from recbole_mdcns.data.windows import padded

#: Sequences are divided by length into this many classes with the same number of targets, and every batch has some of
#: each class. Validation NDCG@20 on Toys, SASRec + GRU4Rec, by user, after 10 epochs: .043 with 1 class (batches of one
#: length), .050 with 2, 3, 4, and with random users. A class adds about 6 % to the time of an epoch.
LENGTH_CLASSES = 3


class TargetLoader:
    """Every target of a training set exactly once per epoch, in random batches.

    * ``row``: batches of random rows, each with its own history padded to L.
    * ``bucket``: every batch has the same shares of short, middle and long histories. The rows of one length class are
      encoded together, as wide as the longest of them.
    * ``user``: the same with whole sequences instead of rows. A sequence is encoded once, and the state at a position
      serves the target that follows it. A step has enough sequences for about ``batch_size`` targets. A history longer
      than the window L is cut into windows, one every L / 5 items, and each target sees at least the newest 4 L / 5
      items of its history.

    Batches of a single length would need fewer passes, but they learn more slowly.

    Args:
        dataset: The training part.
        batch_size: Targets per batch.
        mode: ``row``, ``bucket`` or ``user``.
        with_rows: In mode ``user``, also give every target's own history, for a model that is not causal.
        generator: Source of the random order, on the CPU; with None the order is fixed.
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
        self.targets = targets_of(dataset, device)
        self.items = dataset.history.items.to(device)
        self.width, self.pad_side = dataset.max_item_list_len, dataset.config["pad_side"]
        self.batch_size, self.mode, self.with_rows = batch_size, mode, with_rows
        self.generator, self.device = generator, device
        if mode == "user":
            self.targets = by_time(self.targets)
            self.passes = PassTable.of(self.targets, self.width)

    def __len__(self) -> int:
        total = len(self.targets)
        return max(1, round(total / self.batch_size)) if self.mode == "user" else -(-total // self.batch_size)

    def __iter__(self) -> Iterator[TargetBatch]:
        return self._user_batches() if self.mode == "user" else self._row_batches()

    def _order(self, number: int) -> Tensor:
        order = torch.arange(number) if self.generator is None else torch.randperm(number, generator=self.generator)
        return order.to(self.device)

    def _stratified(self, order: Tensor, length: Tensor, served: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Deal sequences out to batches; every batch gets its share of each length class.

        Args:
            order: A random order of the sequences, shape [n].
            length: The length of each sequence, shape [n].
            served: How many targets each serves, shape [n].

        Returns:
            The sequences by length, equal ones in the random order, and the batch and part of each, all of shape [n].
        """
        order = order[length[order].argsort(stable=True)]
        before = served[order].cumsum(0) - served[order]
        chunk = before * (LENGTH_CLASSES * len(self)) // len(self.targets)
        part, place = chunk // len(self), chunk % len(self)
        batch_of_chunk = torch.stack([self._order(len(self)) for _ in range(LENGTH_CLASSES)])
        return order, batch_of_chunk[part, place], part

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _row_batches(self) -> Iterator[TargetBatch]:
        order = self._order(len(self.targets))
        if self.mode == "row":
            for index in order.split(self.batch_size):
                yield self._with_rows(self.targets.select(index), [_Part(len(index), self.width, 0)])
            return
        length = self._row_length(slice(None))
        order, batch_of, part_of = self._stratified(order, length, torch.ones_like(length))
        inside, batches = _parts(batch_of, part_of, length[order])
        order, begin = order[inside], 0
        for parts in batches:
            end = begin + sum(part.number for part in parts)
            yield self._with_rows(self.targets.select(order[begin:end]), parts)
            begin = end

    def _row_length(self, index: Tensor | slice) -> Tensor:
        return (self.targets.history_end[index] - self.targets.history_start[index]).clamp(max=self.width)

    def _with_rows(self, batch: TargetBatch, parts: list[_Part], order: Tensor | None = None) -> TargetBatch:
        """Add the histories of the targets to a batch, in parts; ``order`` sorts the targets like the parts."""
        user, start, end = batch.user, batch.history_start, batch.history_end
        if order is not None:
            user, start, end = user[order], start[order], end[order]
        sequences, begin = [], 0
        for part in parts:
            some = slice(begin, begin + part.number)
            sequences.append(padded(self.items, start[some], end[some], user[some], part.width, self.pad_side))
            begin += part.number
        batch.rows = Rows(sequences, None if order is None else order.argsort())
        return batch

    # -- users --------------------------------------------------------------------------------------------------------

    def _user_batches(self) -> Iterator[TargetBatch]:
        order, batch_of, part_of = self._stratified(
            self._order(len(self.passes.first)), self.passes.length, self.passes.count
        )
        inside, batches = _parts(batch_of, part_of, self.passes.length[order], self.passes.count[order])
        order, batch_of = order[inside], batch_of[inside]
        row_order, row_batches = self._rows_of_passes(order, batch_of) if self.with_rows else (None, [])
        begin = first = 0
        for number, parts in enumerate(batches):
            batch = self._of_passes(order[begin : begin + sum(part.number for part in parts)], parts)
            begin += sum(part.number for part in parts)
            if row_order is not None:
                batch = self._with_rows(batch, row_batches[number], row_order[first : first + len(batch)] - first)
            first += len(batch)
            yield batch

    def _rows_of_passes(self, order: Tensor, batch_of: Tensor) -> tuple[Tensor, list[list[_Part]]]:
        """Return how the rows of the passes' targets are encoded, by length inside each batch."""
        pass_of, index = ranges(self.passes.first[order], self.passes.count[order])
        batch_of, length = batch_of[pass_of], self._row_length(index)
        by_length = (batch_of * (self.width + 1) + length).argsort(stable=True)
        size = torch.bincount(batch_of)
        place = torch.arange(len(index), device=self.device) - (size.cumsum(0) - size)[batch_of]
        part_of = torch.empty_like(place)
        part_of[by_length] = place * LENGTH_CLASSES // size[batch_of]
        return _parts(batch_of, part_of, length)

    def _of_passes(self, passes: Tensor, parts: list[_Part]) -> TargetBatch:
        table = self.passes
        pass_of, index = ranges(table.first[passes], table.count[passes], sum(part.targets for part in parts))
        batch = self.targets.select(index)
        begin, user = table.begin[passes], self.targets.user[table.first[passes]]
        end = begin + table.length[passes]
        position = batch.history_end - begin[pass_of] - 1
        batch.passes, first, target = [], 0, 0
        for part in parts:
            some, targets = slice(first, first + part.number), slice(target, target + part.targets)
            sequences = padded(self.items, begin[some], end[some], user[some], part.width, "right")
            batch.passes.append(Passes(sequences, pass_of[targets] - first, position[targets]))
            first, target = first + part.number, target + part.targets
        return batch


class _Part(NamedTuple):
    """What the host needs to know of sequences that are encoded together: how many, how wide, for how many targets."""

    number: int
    width: int
    targets: int


def _parts(
    batch_of: Tensor, part_of: Tensor, length: Tensor, served: Tensor | None = None
) -> tuple[Tensor, list[list[_Part]]]:
    """Sort sequences by batch and part, with one read of the device for all of them.

    Args:
        batch_of: The batch of each sequence, shape [n].
        part_of: Its part in there, from 0 to LENGTH_CLASSES - 1, shape [n].
        length: Its length, shape [n].
        served: How many targets each serves, shape [n]; None for one each.

    Returns:
        The order by batch and part, shape [n], and the parts of each batch; those without a sequence are left out.
    """
    key = batch_of * LENGTH_CLASSES + part_of
    numbers = torch.bincount(key, minlength=(int(batch_of.max()) + 1) * LENGTH_CLASSES)
    widths = torch.zeros_like(numbers).scatter_reduce(0, key, length, "amax")
    targets = numbers if served is None else torch.zeros_like(numbers).scatter_add(0, key, served)
    table = torch.stack([numbers, widths, targets], 1).view(-1, LENGTH_CLASSES, 3).tolist()
    batches = [[_Part(*part) for part in batch if part[0]] for batch in table]
    return key.argsort(stable=True), [parts for parts in batches if parts]
