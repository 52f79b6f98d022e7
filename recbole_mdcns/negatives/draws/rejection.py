"""Draws from any distribution, free of history and target."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.negatives.draws.pool import CandidateSampler

#: How often a forbidden draw is drawn again before a uniform one takes its place.
ROUNDS = 10


def draw_allowed(draw: Callable[[Tensor], Tensor], batch: TargetBatch, sampler: CandidateSampler) -> Tensor:
    """Draw items for every target; those that are the target or in its history are drawn again.

    What is still forbidden after some rounds is replaced by uniform draws. On a GPU the host waits once a round.

    Args:
        draw: Gives K items for each of the targets whose places are asked for, shape [asked, K].
        batch: T targets.
        sampler: Of K uniform candidates, and of who has seen what.

    Returns:
        Item ids, shape [T, K].
    """
    pool = draw(torch.arange(len(batch), device=batch.target.device))
    bad = sampler.forbidden(pool, batch)
    rows = bad.any(1).nonzero().squeeze(1)
    for _ in range(ROUNDS):
        if not len(rows):
            return pool
        pool[rows] = torch.where(bad[rows], draw(rows), pool[rows])
        bad[rows] = sampler.forbidden(pool[rows], batch.targets(rows))
        rows = rows[bad[rows].any(1)]
    if len(rows):
        pool[rows] = torch.where(bad[rows], sampler.sample(batch.targets(rows)), pool[rows])
    return pool
