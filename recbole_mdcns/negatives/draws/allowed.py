"""The allowed items of a target by number, without a table of rows and items."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.data.history import HistoryIndex


class AllowedItems:
    """Finds allowed item number r of a target by one binary search; the target and its stretch are not allowed.

    The stretch is a prefix of the user's sequence, such as the target's history. The items outside of it are numbered
    in this order: first the items that the user takes later, by first occurrence, which lie one after the other in the
    history index; then the items that the user never takes, by id. Number r of the latter is r plus the count of the
    user's items below it. The target is left out of both.
    """

    def __init__(self, history: HistoryIndex):
        self.history = history
        start = history.keys // history.item_num
        place = torch.arange(len(history.keys), device=start.device) - history.distinct[start]
        self.absent = history.keys - 1 - place  # per item of a user: how many it never takes lie below; sorted

    def __call__(self, numbers: Tensor, target: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Return items by number.

        Args:
            numbers: Numbers from 0, below the number of allowed items of the row, shape [T, N].
            target: The rows' targets, shape [T].
            start: Where each row's sequence begins, shape [T].
            end: Where its stretch ends (exclusive), shape [T].

        Returns:
            Item ids, shape [T, N].
        """
        history, base = self.history, (start * self.history.item_num)[:, None]
        first, new = history.distinct[start][:, None], history.distinct[end][:, None]
        later_num = torch.searchsorted(history.keys, base + history.item_num) - new
        left_out = self._number(target[:, None], base, first, new, later_num)
        numbers = numbers + ((left_out >= 0) & (numbers >= left_out))
        later = history.new_items[(new + numbers).clamp_(max=len(history.new_items) - 1)]
        rest = numbers - later_num
        never = rest + 1 + torch.searchsorted(self.absent, base + rest, right=True) - first
        return torch.where(rest < 0, later, never)

    def _number(self, items: Tensor, base: Tensor, first: Tensor, new: Tensor, later_num: Tensor) -> Tensor:
        """Return the numbers of items, all of shape [T, 1]; those in the stretch have negative ones."""
        keys = self.history.keys
        place = torch.searchsorted(keys, base + items)
        inside = place.clamp(max=len(keys) - 1)
        later = self.history.distinct[self.history.first[inside]] - new
        return torch.where(keys[inside] == base + items, later, later_num + items - 1 - (place - first))
