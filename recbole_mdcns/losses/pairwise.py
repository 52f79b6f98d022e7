"""Ranking losses of the views and the consensus distillation. Eqs. (9) to (12).

All losses are in log space: the gradient never dies, however large a score is.
Letters: T targets, K negatives (one per view), C items of a distillation set.
Equation numbers are those of MDCNS, SIGIR 2026, arXiv 2605.19651.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from recbole_mdcns.losses.base import RankingLoss


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


#: Losses of one positive against each of its negatives.
PAIRWISE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"BCE": bce, "BPR": bpr}


class BCE(RankingLoss):
    """Binary cross-entropy."""


class BPR(RankingLoss):
    """Bayesian personalised ranking."""
