"""Targets and the passes that serve them: sequences whose states are the encodings of many targets' histories."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START

#: A history longer than the window L is cut into passes, and a new pass begins every L / 5 items. Validation NDCG@10 on
#: ml-100k, L = 20, SASRec + GRU4Rec, 20 epochs, 3 seeds, each ± .002: .116 with L / 2; .118 with L / 5, and an epoch
#: takes twice as long; .121 by row, and an epoch takes ten times as long.
SHIFTS = 5


@dataclass
class Targets:
    """The targets of a training set, one column per property, on the training device.

    Attributes:
        user: Shape [n].
        target: Items to predict, shape [n].
        start: Where the user's sequence begins in the history index, shape [n].
        end: Where the history ends there (exclusive), shape [n].
        row: Their rows in the training set, shape [n].
    """

    user: Tensor
    target: Tensor
    start: Tensor
    end: Tensor
    row: Tensor

    @classmethod
    def of(cls, dataset: HistoryDataset, device: torch.device) -> Targets:
        """Return the targets of a training part, in its order."""
        rows = dataset.inter_feat
        fields = (dataset.uid_field, dataset.iid_field, HISTORY_START, HISTORY_END)
        user, target, start, end = (rows[field].to(device) for field in fields)
        return cls(user, target, start, end, torch.arange(len(target), device=device))

    def __len__(self) -> int:
        return len(self.target)

    def batch(self, index: Tensor) -> TargetBatch:
        """Return some targets, shape [T], without the sequences that models read."""
        return TargetBatch(self.user[index], self.target[index], self.start[index], self.end[index], self.row[index])

    def by_time(self) -> Targets:
        """Return them in the order of users, then of time."""
        order = self.end.argsort()  # ends are places in one flat array
        return Targets(self.user[order], self.target[order], self.start[order], self.end[order], self.row[order])


@dataclass
class PassTable:
    """P passes, each with the targets that it serves; these follow each other in the order of users and of time.

    Attributes:
        first: A pass's first target, shape [P].
        count: The number of its targets, shape [P].
        begin: Where it begins in the history index, shape [P].
        length: Its length, shape [P].
    """

    first: Tensor
    count: Tensor
    begin: Tensor
    length: Tensor

    @classmethod
    def of(cls, targets: Targets, width: int) -> PassTable:
        """Cut the sequences of users into passes.

        A history of up to L items is served by the pass from the start of its user's sequence. Beyond, a pass begins
        every L / 5 items, and a target sees at least the newest 4 L / 5 items of its history.

        Args:
            targets: In the order of users, then of time.
            width: Window length L.
        """
        stride = max(1, width // SHIFTS)
        beyond = (targets.end - targets.start - width).clamp(min=0)
        begin = targets.start + (beyond + stride - 1) // stride * stride  # of the pass that serves a target
        is_first = torch.ones_like(begin, dtype=torch.bool)
        is_first[1:] = begin[1:] != begin[:-1]
        first = is_first.nonzero().squeeze(1)
        count = torch.diff(first, append=first.new_tensor([len(begin)]))
        return cls(first, count, begin[first], targets.end[first + count - 1] - begin[first])
