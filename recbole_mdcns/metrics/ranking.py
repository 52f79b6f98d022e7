"""RecBole's metrics that need names which numpy has removed since 1.24, written without them."""

from __future__ import annotations

from typing import Any

import numpy as np
from recbole.evaluator import metrics


class MRR(metrics.MRR):
    """Reciprocal rank of the first hit within K."""

    def metric_info(self, pos_index: np.ndarray, pos_len: Any = None) -> np.ndarray:
        """Return the reciprocal rank within each cut-off, shape [rows, K], from hits [rows, K]."""
        rank = np.arange(1, pos_index.shape[1] + 1)
        return np.maximum.accumulate(np.where(pos_index, 1.0 / rank, 0.0), axis=1)


class MAP(metrics.MAP):
    """Mean average precision within K."""

    def metric_info(self, pos_index: np.ndarray, pos_len: Any = None) -> np.ndarray:
        """Return the average precision within each cut-off, shape [rows, K], from hits and numbers of positives."""
        rank = np.arange(1, pos_index.shape[1] + 1)
        precision = pos_index.cumsum(axis=1) / rank
        return (precision * pos_index).cumsum(axis=1) / np.minimum(rank, pos_len.reshape(-1, 1))


class NDCG(metrics.NDCG):
    """Normalised discounted cumulative gain within K."""

    def metric_info(self, pos_index: np.ndarray, pos_len: Any = None) -> np.ndarray:
        """Return the gain within each cut-off over the best possible one, shape [rows, K]."""
        rank = np.arange(1, pos_index.shape[1] + 1)
        gain = 1.0 / np.log2(rank + 1)
        best = gain.cumsum()[np.minimum(rank, pos_len.reshape(-1, 1)) - 1]
        return np.where(pos_index, gain, 0.0).cumsum(axis=1) / best


class GAUC(metrics.GAUC):
    """Area under the curve per row, weighted by the row's number of positives."""

    def metric_info(self, pos_rank_sum: np.ndarray, user_len_list: np.ndarray, pos_len_list: np.ndarray) -> float:
        """Return the weighted mean over the rows that have both positives and negatives."""
        pos, neg = pos_len_list, user_len_list - pos_len_list
        keep = (pos > 0) & (neg > 0)
        pos, neg, rank_sum = pos[keep], neg[keep], pos_rank_sum.reshape(-1)[keep]
        pairs = (pos + neg + 1) * pos - pos * (pos + 1) / 2 - rank_sum
        return (pairs / neg).sum() / pos.sum()
