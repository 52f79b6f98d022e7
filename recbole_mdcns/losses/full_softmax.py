"""Softmax over all items.

Letters: T targets, V items.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from recbole_mdcns.encoder.scoring_model import InnerProductModel, ScoringModel
from recbole_mdcns.kernels.full_softmax import mean_cross_entropy
from recbole_mdcns.losses.base import CatalogueLoss


def cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Full softmax cross-entropy: ``log sum_v exp s(v) - s+`` over all items.

    Args:
        scores: Scores of all items, shape [T, V + 1]; column 0 is the padding and is ignored.
        target: Item ids, shape [T].

    Returns:
        Shape [T].
    """
    return F.cross_entropy(scores[:, 1:], target - 1, reduction="none")


class CrossEntropy(CatalogueLoss):
    """The mean of :func:`cross_entropy`; with an inner-product model, a few rows are scored at a time."""

    def __call__(self, scoring_model: ScoringModel, encoding: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the targets, a scalar."""
        if isinstance(scoring_model, InnerProductModel):
            table = scoring_model.item_table[: scoring_model.model.n_items]
            return mean_cross_entropy(scoring_model.as_states(encoding), table, target)
        return cross_entropy(scoring_model.score_all(encoding), target).mean()
