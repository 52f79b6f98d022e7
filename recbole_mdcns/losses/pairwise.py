"""Losses of a positive against each of its negatives, Eq. (9) of MDCNS (SIGIR 2026, arXiv 2605.19651).

All are in log space: the gradient never vanishes for large scores.
Letters: T targets, K negatives (one per view).
"""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor

from recbole_mdcns.losses.base import LossOfNegatives, ModelScores
from recbole_mdcns.losses.returned import check_pairs


def bce(positive: Tensor, negative: Tensor) -> Tensor:
    """Binary cross-entropy of positives against negatives, Eq. (9): ``-log sig(s+) - log(1 - sig(s-))``.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of the negatives, shape [T, K].

    Returns:
        One loss per target and negative, shape [T, K].
    """
    return F.softplus(-positive).unsqueeze(1) + F.softplus(negative)


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking, Eq. (9): ``-log sig(s+ - s-)``; shapes as for :func:`bce`."""
    return F.softplus(negative - positive.unsqueeze(1))


class PairwiseLoss(LossOfNegatives):
    """The mean over the targets of the loss against each negative, for any strategy."""

    @abstractmethod
    def of_pairs(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Return one loss per target and negative, shape [T, K], of scores [T] and [T, K]."""

    def __call__(self, scores: ModelScores) -> tuple[Tensor, Tensor]:
        """Return the mean loss against each negative and the negatives' weights, shape [K] each."""
        losses = self.of_pairs(scores.positive, scores.negative)  # [T, K]
        check_pairs(type(self).__name__, losses, scores.negative)
        if scores.factors is not None:
            losses = losses * scores.factors
        return losses.mean(0), scores.weights


class BCE(PairwiseLoss):
    """Binary cross-entropy, :func:`bce`."""

    def of_pairs(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See :func:`bce`."""
        return bce(positive, negative)


class BPR(PairwiseLoss):
    """Bayesian personalised ranking, :func:`bpr`."""

    def of_pairs(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See :func:`bpr`."""
        return bpr(positive, negative)
