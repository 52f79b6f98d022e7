"""The best of the scores that have been seen so far, for many rows at once."""

from __future__ import annotations

import torch
from torch import Tensor

#: Scores of a row that are looked at by their largest in one go, at most.
GROUP = 64
#: A block has at least this many groups for each of the scores that are kept, if it is wide enough.
GROUPS_EACH = 3


class BestSoFar:
    """The k best scores of each row, from blocks of scores that come one after the other.

    Few scores of a late block are above the k-th best so far. The maxima of groups tell where they are. Such scores
    wait, and are sorted when there are about k of them for each row.
    """

    def __init__(self, row_num: int, k: int):
        self.row_num, self.k = row_num, k
        self._least: Tensor | None = None  # [B, 1]: what is not above is not among the best
        self._kept: list[tuple[Tensor, Tensor, Tensor]] = []  # rows, columns and scores: the best, and those that wait
        self._waiting = 0

    def add(self, scores: Tensor, start: int) -> None:
        """Take the next scores, shape [B, W], of columns from ``start`` on; they may be overwritten afterwards."""
        if self._least is None:
            self._least = scores.new_full((self.row_num, 1), -torch.inf)
            rows = torch.arange(self.row_num, device=scores.device).repeat_interleave(self.k)
            self._kept = [(rows, torch.zeros_like(rows), scores.new_full((len(rows),), -torch.inf))]
        width = scores.size(1)
        group = 1 << max(0, min(GROUP, width // (GROUPS_EACH * self.k)).bit_length() - 1)
        whole = width // group * group
        self._add(scores[:, :whole].unflatten(1, (-1, group)), start)
        if whole < width:
            self._add(scores[:, whole:].unsqueeze(2), start + whole)

    def sorted(self) -> tuple[Tensor, Tensor]:
        """Return columns and scores, both of shape [B, k], best first; the lower column first of equal scores.

        NaN comes before all numbers. Where a row has fewer than k scores above -inf, the rest is column 0 and -inf.
        """
        row, column, score = (torch.cat(each) for each in zip(*self._kept))
        order = column.argsort()
        order = order[score[order].argsort(descending=True, stable=True)]
        order = order[row[order].argsort(stable=True)]
        count = torch.bincount(row)
        place = (count.cumsum(0) - count)[:, None] + torch.arange(self.k, device=row.device)
        best = order[place]
        return column[best], score[best]

    def _add(self, groups: Tensor, start: int) -> None:
        """Keep what may be among the best of groups of scores, shape [B, N, GROUP]."""
        assert self._least is not None
        maxima = groups.amax(2)
        is_above = _is_above(maxima, self._least)  # [B, N]
        if maxima.size(1) >= self.k and is_above.sum() > self.row_num * self.k:  # k scores of a row are as large as:
            reached = maxima.topk(self.k).values[:, -1:]
            self._least = torch.maximum(self._least, reached.nextafter(torch.full_like(reached, -torch.inf)))
            is_above = _is_above(maxima, self._least)
        row, number = is_above.nonzero(as_tuple=True)
        found = groups[row, number]  # [P, GROUP]
        pair, member = _is_above(found, self._least[row]).nonzero(as_tuple=True)
        row, column = row[pair], number[pair] * groups.size(2) + member + start
        self._kept.append((row, column, found[pair, member]))
        self._waiting += len(row)
        if self._waiting >= self.row_num * self.k:
            columns, scores = self.sorted()
            self._kept = [(self._kept[0][0], columns.flatten(), scores.flatten())]
            self._waiting, self._least = 0, scores[:, -1:]


def _is_above(values: Tensor, least: Tensor) -> Tensor:
    """Tell which values are above the least of their row, or no number."""
    return (values <= least).logical_not_()
