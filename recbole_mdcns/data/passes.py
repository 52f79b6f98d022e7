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


def targets_of(dataset: HistoryDataset, device: torch.device) -> TargetBatch:
    """Return the targets of a training part in its order, without the sequences that models read."""
    rows = dataset.inter_feat
    fields = (dataset.uid_field, dataset.iid_field, HISTORY_START, HISTORY_END)
    user, target, start, end = (rows[field].to(device) for field in fields)
    return TargetBatch(user, target, start, end, torch.arange(len(target), device=device))


def by_time(targets: TargetBatch) -> TargetBatch:
    """Return targets in the order of users, then of time."""
    return targets.select(targets.history_end.argsort())  # ends are places in one flat array


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
    def of(cls, targets: TargetBatch, width: int) -> PassTable:
        """Cut the sequences of users into passes.

        A history of up to L items is served by the pass from the start of its user's sequence. Beyond, a pass begins
        every L / 5 items, and a target sees at least the newest 4 L / 5 items of its history.

        Args:
            targets: In the order of users, then of time.
            width: Window length L.
        """
        stride = max(1, width // SHIFTS)
        beyond = (targets.history_end - targets.history_start - width).clamp(min=0)
        begin = targets.history_start + (beyond + stride - 1) // stride * stride  # of the pass that serves a target
        is_first = torch.ones_like(begin, dtype=torch.bool)
        is_first[1:] = begin[1:] != begin[:-1]
        first = is_first.nonzero().squeeze(1)
        count = torch.diff(first, append=first.new_tensor([len(begin)]))
        return cls(first, count, begin[first], targets.history_end[first + count - 1] - begin[first])
