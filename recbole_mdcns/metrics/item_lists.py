"""RecBole's metrics of the recommended items, in which the padding is no item.

``RankCollector`` writes the padding item, 0, where a row has fewer than K items left. RecBole would count it as an item
that is recommended, and counts it among all items.
"""

from __future__ import annotations

import numpy as np
from recbole.evaluator import metrics


class ItemCoverage(metrics.ItemCoverage):
    """Share of all items that are recommended to anyone."""

    def get_coverage(self, item_matrix: np.ndarray, num_items: int) -> float:
        """Return the share, from recommended items [rows, K], of ``num_items`` with the padding."""
        return super().get_coverage(_recommended(item_matrix), num_items - 1)


class ShannonEntropy(metrics.ShannonEntropy):
    """Entropy of how often each item is recommended, over the number of items recommended."""

    def get_entropy(self, item_matrix: np.ndarray) -> float:
        """Return the entropy, from recommended items [rows, K]; 0 where nothing is recommended."""
        kept = _recommended(item_matrix)
        return super().get_entropy(kept) if kept.size else 0.0


class GiniIndex(metrics.GiniIndex):
    """Inequality of how often the items are recommended."""

    def get_gini(self, item_matrix: np.ndarray, num_items: int) -> float:
        """Return the index, from recommended items [rows, K], of ``num_items`` with the padding, or 0."""
        kept = _recommended(item_matrix)
        return super().get_gini(kept, num_items - 1) if kept.size else 0.0


class AveragePopularity(metrics.AveragePopularity):
    """How often the recommended items are targets in training, as RecBole counts, the mean of each row's."""

    def get_pop(self, item_matrix: np.ndarray, item_count: dict[int, int]) -> np.ndarray:
        """Return the popularity of recommended items [rows, K], in the same shape."""
        return _of_recommended(super().get_pop(item_matrix, item_count), item_matrix)


class TailPercentage(metrics.TailPercentage):
    """Share of the recommended items that are rare among the targets of training, the mean of each row's."""

    def get_tail(self, item_matrix: np.ndarray, count_items: dict[int, int]) -> np.ndarray:
        """Return 1 where a recommended item [rows, K] is rare, else 0, in the same shape."""
        return _of_recommended(super().get_tail(item_matrix, count_items), item_matrix)


def _recommended(item_matrix: np.ndarray) -> np.ndarray:
    """Return the items without the padding, shape [1, number of them]."""
    return item_matrix[item_matrix > 0][None]


def _of_recommended(values: np.ndarray, item_matrix: np.ndarray) -> np.ndarray:
    """Return values [rows, K] with the mean of a row in its empty places: the mean over K is that of the items."""
    empty = item_matrix == 0
    if not empty.any():
        return values
    number = np.maximum((~empty).sum(1, keepdims=True), 1)
    mean = np.where(empty, 0, values).sum(1, keepdims=True) / number
    return np.where(empty, mean, values)
