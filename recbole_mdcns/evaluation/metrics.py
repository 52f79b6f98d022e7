"""RecBole's evaluator, with the metrics that need numpy names removed since 1.24 written without them."""

from __future__ import annotations

import numpy as np
from recbole.config import Config
from recbole.evaluator import Evaluator, metrics

from recbole_mdcns.evaluation import item_lists


class MRR(metrics.MRR):
    """Reciprocal rank of the first hit within K."""

    def metric_info(self, pos_index: np.ndarray) -> np.ndarray:
        """Return the reciprocal rank within each cut-off, shape [rows, K], from hits [rows, K]."""
        rank = np.arange(1, pos_index.shape[1] + 1)
        return np.maximum.accumulate(np.where(pos_index, 1.0 / rank, 0.0), axis=1)


class MAP(metrics.MAP):
    """Mean average precision within K."""

    def metric_info(self, pos_index: np.ndarray, pos_len: np.ndarray) -> np.ndarray:
        """Return the average precision within each cut-off, shape [rows, K], from hits and numbers of positives."""
        rank = np.arange(1, pos_index.shape[1] + 1)
        precision = pos_index.cumsum(axis=1) / rank
        return (precision * pos_index).cumsum(axis=1) / np.minimum(rank, pos_len.reshape(-1, 1))


class NDCG(metrics.NDCG):
    """Normalised discounted cumulative gain within K."""

    def metric_info(self, pos_index: np.ndarray, pos_len: np.ndarray) -> np.ndarray:
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


class PlainEvaluator(Evaluator):
    """RecBole's evaluator; its results are Python floats.

    Attributes:
        places: Of the rows evaluated last, in their order: the place of the target, 1 is the first, or 0 where it is
            not among the highest K of the largest cut-off. Empty where no metric looks at those.
    """

    _REPLACED = {  # noqa: RUF012
        "mrr": MRR, "map": MAP, "ndcg": NDCG, "gauc": GAUC, "itemcoverage": item_lists.ItemCoverage,
        "shannonentropy": item_lists.ShannonEntropy, "giniindex": item_lists.GiniIndex,
        "averagepopularity": item_lists.AveragePopularity, "tailpercentage": item_lists.TailPercentage,
    }  # fmt: skip

    def __init__(self, config: Config):
        super().__init__(config)
        self.places: list[int] = []
        for name in set(self.metric_class) & set(self._REPLACED):
            self.metric_class[name] = self._REPLACED[name](config)

    def evaluate(self, dataobject) -> dict[str, float]:
        """Return each metric at each cut-off, such as ``ndcg@10``."""
        self.places = []
        if "rec.topk" in dataobject:
            hits = dataobject.get("rec.topk")[:, :-1]  # the last column is the number of targets
            self.places = ((hits.argmax(1) + 1) * hits.any(1)).tolist()
        return {name: float(value) for name, value in super().evaluate(dataobject).items()}
