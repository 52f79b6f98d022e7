"""The best items of some sequences, as a table or as lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

#: The columns of a table of recommendations.
TABLE_COLUMNS = ("user", "rank", "item", "score")


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
