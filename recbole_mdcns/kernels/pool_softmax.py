"""Softmax losses over a positive and a pool, with gradients that the forward pass computes.

They give the same numbers as the pure functions that their docstrings name. The scores of a pool of thousands are a
large matrix; these functions read it only a few times, and do not copy the positive into it.

Letters: T targets, K items of the pool.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def pool_softmax(positive: Tensor, negative: Tensor, log_mass: Tensor | None = None) -> Tensor:
    """Return :func:`recbole_mdcns.losses.listwise.scaled_softmax`, shape [T]; no ``log_mass`` counts as 0."""
    return _PoolSoftmax.apply(positive, negative, log_mass)


class _PoolSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, positive: Tensor, negative: Tensor, log_mass: Tensor | None) -> Tensor:
        odds = negative.clone() if log_mass is None else negative + log_mass
        own, total, highest = softmax_(positive, odds)
        assert own is not None
        ctx.save_for_backward(own - 1, odds)
        return total.log() + highest - positive

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        of_positive, of_negative = ctx.saved_tensors
        return of_positive * grad, of_negative * grad[:, None], None


class Consensus:
    """The teacher's view of a positive and a pool; see :func:`recbole_mdcns.equations.distillation`.

    Args:
        positive: The teacher's scores of the targets, shape [T]; None if the set is the pool alone.
        negative: Its scores of the pool, shape [T, K].
        temperature: tau, positive.
    """

    def __init__(self, positive: Tensor | None, negative: Tensor, temperature: float):
        self.temperature = temperature
        self.own, self.scores = positive, negative
        self.odds = negative / temperature
        scaled = None if positive is None else positive / temperature
        self.of_own, total, highest = softmax_(scaled, self.odds)
        self.log_total = total.log() + highest

    def distance(self, positive: Tensor | None, negative: Tensor) -> Tensor:
        """Return ``tau^2 KL(p_teacher || p_student)`` of each target, shape [T]; the gradient is the student's."""
        return _Distance.apply(positive, negative, self)


class _Distance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, positive: Tensor | None, negative: Tensor, teacher: Consensus) -> Tensor:
        tau = teacher.temperature
        odds = negative / tau
        scaled = None if positive is None else positive / tau
        own, total, highest = softmax_(scaled, odds)
        # the sum of p_teacher (log p_teacher - log p_student)
        log_ratio = torch.linalg.vecdot(teacher.odds, teacher.scores - negative) / tau
        of_own = None
        if positive is not None:
            assert teacher.own is not None and teacher.of_own is not None and own is not None
            log_ratio += teacher.of_own * (teacher.own - positive) / tau
            of_own = (own - teacher.of_own).mul_(tau)
        ctx.save_for_backward(of_own, odds.sub_(teacher.odds).mul_(tau))
        return tau**2 * (log_ratio - (teacher.log_total - total.log() - highest))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        of_own, of_pool = ctx.saved_tensors
        return None if of_own is None else of_own * grad, of_pool * grad[:, None], None


def softmax_(own: Tensor | None, pool: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
    """Replace the scores of a pool by their softmax over the pool and the positive, in place.

    Returns:
        The positive's probability, the sum of all ``exp(s - highest)``, and the highest score, shape [T] each.
    """
    highest = pool.amax(1)
    if own is not None:
        highest = torch.maximum(highest, own)
    total = pool.sub_(highest[:, None]).exp_().sum(1)
    if own is not None:
        own = (own - highest).exp()
        total = total + own
        own = own / total
    pool.div_(total[:, None])
    return own, total, highest
