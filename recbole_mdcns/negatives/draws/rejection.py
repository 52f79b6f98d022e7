"""Draws from any distribution, without the target and what the sampler excludes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.negatives.draws.pool import CandidateSampler

#: The number of times that a forbidden draw is repeated before a uniform one replaces it.
ROUNDS = 10


def draw_allowed(draw: Callable[[Tensor], Tensor], batch: TargetBatch, sampler: CandidateSampler) -> Tensor:
    """Draw items for every target; draws of the target or of excluded items are repeated.

    After some rounds uniform draws replace those that are still forbidden. A CPU repeats only the rows that need it. A
    GPU repeats all of them in every round, so that its host does not wait; which draws are taken has the same
    distribution.

    Args:
        draw: Returns K items for each of the given places of targets, shape [places, K].
        batch: T targets.
        sampler: Draws K uniform candidates, and knows the forbidden items.

    Returns:
        Item ids, shape [T, K].
    """
    if not sampler.may_read:
        return draw_in_all_rounds(draw, batch, sampler)
    pool = draw(torch.arange(len(batch), device=batch.target.device))
    bad = sampler.forbidden(pool, batch)
    rows = bad.any(1).nonzero().squeeze(1)
    for _ in range(ROUNDS):
        if not len(rows):
            return pool
        pool[rows] = torch.where(bad[rows], draw(rows), pool[rows])
        bad[rows] = sampler.forbidden(pool[rows], batch.select(rows))
        rows = rows[bad[rows].any(1)]
    if len(rows):
        pool[rows] = torch.where(bad[rows], sampler.sample(batch.select(rows)), pool[rows])
    return pool


def draw_in_all_rounds(draw: Callable[[Tensor], Tensor], batch: TargetBatch, sampler: CandidateSampler) -> Tensor:
    """Do the same as :func:`draw_allowed` without reading which draws are forbidden."""
    everyone = torch.arange(len(batch), device=batch.target.device)
    pool = draw(everyone)
    for _ in range(ROUNDS):
        pool = torch.where(sampler.forbidden(pool, batch), draw(everyone), pool)
    return torch.where(sampler.forbidden(pool, batch), sampler.sample(batch), pool)
