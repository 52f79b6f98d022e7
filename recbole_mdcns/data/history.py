"""The full history of every row: all users' items as one flat array, and rows as ranges of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Columns of a row: its history is ``items[start:end]``, ``start`` being where its user's sequence begins.
HISTORY_START = "history_start"
HISTORY_END = "history_end"


class HistoryIndex:
    """Full, untruncated histories; it answers "has this row seen that item?" without a table per row.

    Users' sequences lie one after the other in ``items``. A history is a prefix of one sequence. One binary search in a
    sorted array of (user, item, first position) answers the question for every prefix.

    Args:
        items: Item ids in the order of users and time, shape [n].
        starts: For each entry, where its user's sequence begins in ``items``, shape [n].
        item_num: Number of items with the padding item, V + 1.

    Attributes:
        mean_length (float): Entries per sequence.
    """

    def __init__(self, items: np.ndarray, starts: np.ndarray, item_num: int):
        items, starts = np.asarray(items, dtype=np.int64), np.asarray(starts, dtype=np.int64)
        keys = starts * item_num + items
        order = np.argsort(keys, kind="stable")
        is_first = np.ones(len(keys), dtype=bool)
        is_first[1:] = keys[order][1:] != keys[order][:-1]
        first = order[is_first]
        seen_first = np.zeros(len(keys) + 1, dtype=np.int64)
        seen_first[1:][first] = 1
        self.item_num = item_num
        self.mean_length = len(items) / (1 + np.count_nonzero(np.diff(starts)))
        self.items = torch.from_numpy(items.copy())
        self.keys = torch.from_numpy(keys[first])  # sorted
        self.first = torch.from_numpy(first)
        self.distinct = torch.from_numpy(seen_first.cumsum())
        self.new_items = self.items[torch.from_numpy(np.sort(first))]  # each user's items by first occurrence

    def to(self, device: torch.device) -> HistoryIndex:
        """Move the arrays to a device, in place."""
        for name in ("items", "keys", "first", "distinct", "new_items"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def contains(self, start: Tensor, end: Tensor, items: Tensor) -> Tensor:
        """Tell which items are in the rows' histories.

        Args:
            start: Where each row's sequence begins, shape [T].
            end: Where its history ends (exclusive), shape [T].
            items: Item ids, shape [T, N].

        Returns:
            Booleans, shape [T, N].
        """
        keys = start[:, None] * self.item_num + items  # [T, N]
        place = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
        return (self.keys[place] == keys) & (self.first[place] < end[:, None])

    def distinct_num(self, start: Tensor, end: Tensor) -> Tensor:
        """Return how many different items each row's history holds, shape [T]."""
        return self.distinct[end] - self.distinct[start]

    def pairs(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """Return every row and different item of its history once, both of shape [sum of distinct_num]."""
        rows, places = ranges(self.distinct[start], self.distinct_num(start, end))
        return rows, self.new_items[places]


def ranges(start: Tensor, length: Tensor, total: int | None = None) -> tuple[Tensor, Tensor]:
    """Write ranges of integers one after the other.

    Args:
        start: First integer of each range, shape [B].
        length: Number of integers in each, shape [B].
        total: The sum of the lengths, if the host knows it; the call then does not wait for a GPU.

    Returns:
        The range that each integer belongs to, and the integers, both of shape [sum of lengths].
    """
    row = torch.repeat_interleave(torch.arange(len(start), device=start.device), length, output_size=total)
    place = torch.arange(len(row), device=start.device) - (length.cumsum(0) - length)[row]
    return row, start[row] + place
