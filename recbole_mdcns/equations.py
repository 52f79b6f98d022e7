"""The equations of MDCNS (SIGIR 2026, arXiv 2605.19651) from the teacher to the distillation, in the paper's order.

Pure functions of tensors. Eq. (2), the candidate pool, is ``negatives.draws.pool``; Eq. (3), the scores, is
``kernels.pool_scores``; Eq. (9), the loss of a positive and a negative, is ``losses.pairwise``; Eq. (13) is the sum of
Eqs. (10) and (12).

Letters: T targets, N candidates, M top candidates, K negatives (one per view), C items of a distillation set.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: The score of a candidate that a target must not have. It is finite, so that sums and differences are numbers, and so
#: low that such a candidate is never hard, has no probability, and adds nothing to a loss.
FORBIDDEN_SCORE = -1e9


def teacher_scores(*scores: Tensor, mean: bool) -> Tensor:
    """Combine the models' scores, Eq. (4): ``s_teacher = s_self + s_peer``, or their mean.

    Args:
        *scores: Scores of each model, all of the same shape.
        mean: Take the mean, as the published runs do, instead of the printed sum.

    Returns:
        Teacher scores, same shape.
    """
    total = functools.reduce(torch.add, scores)
    return total / len(scores) if mean else total


def divergence(*scores: Tensor) -> Tensor:
    """Return the divergence of the models on each candidate, Eq. (5): ``d = |s_self - s_peer|``, same shape.

    With more than two models it is the distance between the highest and the lowest score.
    """
    if len(scores) == 2:
        return (scores[0] - scores[1]).abs()
    together = torch.stack(scores)
    return together.amax(0) - together.amin(0)


def divergence_aware(scores: Tensor, distance: Tensor, weight: float) -> Tensor:
    """Lift the candidates that the models disagree on, Eq. (6): ``s~ = s + weight * d``; weight 0 drops d."""
    return scores + weight * distance


def top_candidates(scores: Tensor, top_num: int) -> Tensor:
    """Return the columns of the M highest scores of each row, Eq. (7).

    Args:
        scores: Scores of the pool, shape [T, N].
        top_num: M, at most N.

    Returns:
        Columns, shape [T, M].
    """
    return scores.topk(top_num, dim=1).indices


def draw_one(columns: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw one of each row's columns, all equally likely, Eq. (8).

    Args:
        columns: Shape [T, M].
        generator: Random generator on the device of ``columns``.

    Returns:
        One column per row, shape [T].
    """
    pick = torch.randint(columns.size(1), (len(columns), 1), generator=generator, device=columns.device)
    return columns.gather(1, pick).squeeze(1)


def draw_some(columns: Tensor, number: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw K of each row's columns [T, M] without repetition, all sets equally likely, shape [T, K].

    Args:
        columns: Shape [T, M].
        number: K, at most M.
        generator: Random generator on the device of ``columns``.
    """
    if number == 1:
        return draw_one(columns, generator)[:, None]
    if number == columns.size(1):
        return columns
    keys = torch.rand(columns.shape, generator=generator, device=columns.device)
    return columns.gather(1, keys.topk(number, dim=1).indices)


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


def resampled(scores: Tensor, number: int, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw K candidates of each row with replacement, in proportion to ``q(j) ~ exp(scores(j) / temperature)``.

    With the weights ``1 / (K q(j))``, a sum over the draws estimates the sum over all candidates (importance sampling).

    Args:
        scores: Shape [T, N].
        number: K.
        temperature: Positive; the higher, the closer to uniform.
        generator: Random generator on the device of the scores.

    Returns:
        Columns and the logarithms of their weights, shape [T, K] each.
    """
    log_q = F.log_softmax(scores.double() / temperature, dim=1)
    cumulated = log_q.exp().cumsum(1)
    share = torch.rand(len(scores), number, generator=generator, device=scores.device, dtype=torch.float64)
    columns = torch.searchsorted(cumulated, share * cumulated[:, -1:], right=True).clamp_(max=scores.size(1) - 1)
    return columns, (-log_q.gather(1, columns) - math.log(number)).to(scores.dtype)


def consistency(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean over the targets of the two-sided KL of two dropout passes: ``(KL(p || q) + KL(q || p)) / 2``.

    Both passes carry the gradient (R-Drop, Liang et al., NeurIPS 2021; CT4Rec, arXiv 2112.06668, for SASRec).

    Args:
        first: Scores of a set, shape [T, C].
        second: Scores of the same set by the same model with other dropout, shape [T, C].
    """
    log_p, log_q = F.log_softmax(first, dim=1), F.log_softmax(second, dim=1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(1).mean() / 2
