"""Ranking losses of the views and the consensus distillation. Eqs. (9) to (12).

All losses are in log space: the gradient never dies, however large a score is.
Letters: T targets, K negatives (one per view), C items of a distillation set.
Equation numbers are those of MDCNS, SIGIR 2026, arXiv 2605.19651.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


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


def multi_view(view_losses: Tensor, weights: Tensor) -> Tensor:
    """Weigh the views' losses, Eq. (10): ``L_rec = alpha L_self + beta L_peer + gamma L_teacher``.

    Args:
        view_losses: Mean loss of each view, shape [K].
        weights: Their weights, shape [K].

    Returns:
        A scalar.
    """
    return (view_losses * weights).sum()


def distillation(student: Tensor, teacher: Tensor, temperature: float, reduction: str = "mean") -> Tensor:
    """Pull a student's view of a set towards the teacher's, Eqs. (11) and (12): ``tau^2 KL(p_teacher || p_student)``.

    Args:
        student: Scores of the set by the student, shape [T, C]; carries the gradient.
        teacher: Scores by the teacher, shape [T, C]; taken as constant.
        temperature: tau, positive.
        reduction: ``mean`` or ``sum`` over the T targets.

    Returns:
        A scalar, 0 where both agree up to a constant per row.
    """
    log_q = F.log_softmax(teacher.detach() / temperature, dim=1)
    log_p = F.log_softmax(student / temperature, dim=1)
    per_target = (log_q.exp() * (log_q - log_p)).sum(1)  # [T]
    return temperature**2 * (per_target.mean() if reduction == "mean" else per_target.sum())
