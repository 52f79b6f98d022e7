"""The targets of one training step, and their histories in the forms that models read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Sequences:
    """Padded item sequences, in the form that models read.

    Attributes:
        user: Their users, shape [B].
        item_seq: Items, shape [B, W].
        item_length: Their lengths, shape [B].
    """

    user: Tensor
    item_seq: Tensor
    item_length: Tensor


@dataclass
class Rows:
    """The newest items of each target's history, in parts of similar length; a part is as wide as its longest sequence.

    Attributes:
        parts: T sequences in all parts together.
        place: Index of each target's sequence in the concatenated parts, shape [T]; None if the order is the same.
    """

    parts: list[Sequences]
    place: Tensor | None = None

    def in_order(self, encodings: list[Tensor]) -> Tensor:
        """Return encodings of the parts [n, .] in the order of the targets, shape [T, .]."""
        joined = encodings[0] if len(encodings) == 1 else torch.cat(encodings)
        return joined if self.place is None else joined[self.place]


@dataclass
class Passes:
    """Longer sequences that hold the histories of many targets: one pass of a causal model encodes all of these.

    Attributes:
        sequences: The sequences, B of them.
        row: The sequence that a target's history is in, shape [n].
        position: The position of the history's last item in it, shape [n].
    """

    sequences: Sequences
    row: Tensor
    position: Tensor


@dataclass
class TargetBatch:
    """T targets and what came before them.

    Attributes:
        user: Their users, shape [T].
        target: The items to predict, shape [T].
        history_start: Where each target's sequence begins in the history index, shape [T].
        history_end: Where its full history ends there (exclusive), shape [T].
        row_index: Each target's row in the training set, shape [T].
        rows: The newest items of each history; None when every model reads ``passes``.
        passes: The same histories inside longer sequences, in parts of similar length whose targets follow each other;
            None when every model reads ``rows``.
    """

    user: Tensor
    target: Tensor
    history_start: Tensor
    history_end: Tensor
    row_index: Tensor
    rows: Rows | None = None
    passes: list[Passes] | None = None

    def __len__(self) -> int:
        return len(self.target)

    def select(self, index: Tensor | slice) -> TargetBatch:
        """Return some of the targets, without the sequences that models read."""
        start, end = self.history_start[index], self.history_end[index]
        return TargetBatch(self.user[index], self.target[index], start, end, self.row_index[index])
