"""The items of each user in training, in the form that RecBole's samplers need."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START


class UsedItems:
    """Sets of items by user, made on demand; RecBole makes all of them at once.

    A user's set holds its training sequence with all targets. It is empty for users that are not in training.
    """

    def __init__(self, dataset: HistoryDataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return self.dataset.user_num

    def __getitem__(self, user: int) -> set[int]:
        if not 0 <= user < len(self):
            raise ValueError(f"user {user} does not exist: users are numbered from 1 to {len(self) - 1}")
        start, end = (int(bounds[user]) for bounds in self.bounds)
        return set(self.dataset.history.items[start:end].tolist())

    @cached_property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Where each user's training sequence begins and ends (exclusive) in the history index, shape [users] each."""
        rows = self.dataset.inter_feat
        user, start, end = (rows[field] for field in (self.dataset.uid_field, HISTORY_START, HISTORY_END))
        starts, ends = (torch.zeros(len(self), dtype=torch.int64) for _ in range(2))
        starts[user] = start
        return starts, ends.scatter_reduce_(0, user, end + 1, "amax")  # the target comes after its history
