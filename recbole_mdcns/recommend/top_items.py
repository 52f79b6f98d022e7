"""The best items of many sequences, without a table of all scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mdcns.recommend.best_so_far import GROUP, BestSoFar

#: The columns of a table of recommendations.
TABLE_COLUMNS = ("user", "rank", "item", "score")
#: Numbers that one tensor holds at most, unless a single sequence needs more.
NUMBERS_HELD = 2**24
#: Scores that are held at once: 4 MiB, which stay in the cache of a processor.
SCORES_HELD = 2**20

#: Gives the scores of sequences for a range of the candidates, shape [B, end - start]; may be overwritten.
ScoreBlock = Callable[[int, int], Tensor]


def rows_at_once(row_size: int, k: int) -> int:
    """Return how many sequences may be ranked together.

    Args:
        row_size: How many numbers the largest tensor of a model holds for a sequence.
        k: How many items are kept for each; up to k more wait, and up to k more are new.
    """
    return max(1, NUMBERS_HELD // max(row_size, 3 * k, GROUP))


def block_size(row_num: int, k: int) -> int:
    """Return how many candidates are scored at once, for a number of sequences."""
    return max(k, GROUP, SCORES_HELD // max(1, row_num) // GROUP * GROUP)


def top_items(
    score_block: ScoreBlock, candidate_num: int, k: int, row_num: int, seen: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Return the k best candidates of each sequence, block by block.

    Args:
        score_block: Scores of a range of candidates.
        candidate_num: C.
        k: How many; at most C are returned.
        row_num: Number of sequences B.
        seen: Pairs of sequences and candidates to leave out, two tensors of the same shape.

    Returns:
        Candidates and scores, both of shape [B, min(k, C)], best first; the lower candidate first where scores are
        equal. NaN comes before all numbers. A sequence with fewer candidates has the score -inf for the rest.
    """
    k = min(k, candidate_num)
    size = block_size(row_num, k)
    best = BestSoFar(row_num, k)
    for start in range(0, candidate_num, size):
        end = min(start + size, candidate_num)
        scores = score_block(start, end)  # [B, end - start]
        if seen is not None:
            inside = (seen[1] >= start) & (seen[1] < end)
            scores[seen[0][inside], seen[1][inside] - start] = -torch.inf
        best.add(scores, start)
    return best.sorted()


@dataclass(frozen=True)
class TopItems:
    """The best items of some sequences.

    Attributes:
        names: What the sequences are called, shape [B].
        items: Item ids, best first; shape [B, k]. Where a row has fewer items left, the rest is None.
        scores: Their scores, shape [B, k]; -inf where there is no item.
    """

    names: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    def table(self) -> pd.DataFrame:
        """Return a row per item: ``user``, ``rank`` from 1 on, ``item``, ``score``."""
        is_item = self.scores > -np.inf  # [B, k]
        row, column = np.nonzero(is_item)
        values = (self.names[row], column + 1, self.items[is_item], self.scores[is_item])
        return pd.DataFrame(dict(zip(TABLE_COLUMNS, values)))

    def lists(self) -> list[list[str]]:
        """Return the ids of each sequence, best first."""
        return [row[scores > -np.inf].tolist() for row, scores in zip(self.items, self.scores)]
