"""Where the models disagree, and the negatives that this makes. Eqs. (5) to (8).

Letters: T targets, N candidates, M top candidates. Nothing here carries a gradient: the choice of a negative is data.
Equation numbers are those of MDCNS, SIGIR 2026, arXiv 2605.19651.
"""

from __future__ import annotations

import torch
from torch import Tensor


def divergence(*scores: Tensor) -> Tensor:
    """Return how far models are apart on each candidate, Eq. (5): ``d = |s_self - s_peer|``, same shape.

    Of more than two models, it is the distance between the highest and the lowest score.
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
