"""Draws without repetition for many rows at once.

Letters: T rows, N draws.
"""

from __future__ import annotations

import torch
from scipy.stats import nbinom
from torch import Tensor

#: The probability that the draws of a row give fewer than N candidates; the last ones are then the padding item.
SHORT_CHANCE = 1e-15


def distinct_numbers(below: Tensor, draw_num: int, generator: torch.Generator) -> Tensor:
    """Draw N different integers from 0 to a bound of each row; every ordered choice is equally likely.

    Args:
        below: The bounds, shape [T], each at least N.
        draw_num: N.
        generator: Random generator on the device of the bounds.

    Returns:
        Shape [T, N].
    """
    chosen = torch.empty(len(below), draw_num, dtype=torch.int64, device=below.device)
    few = below < 2 * draw_num
    for is_of, draw in ((few, numbers_of_few), (~few, numbers_of_many)):
        rows = is_of.nonzero().squeeze(1)
        if len(rows):
            bounds = below[rows]
            chosen[rows] = draw(bounds, draw_num, int(bounds.max()), generator)
    return chosen


def numbers_of_few(below: Tensor, draw_num: int, limit: int, generator: torch.Generator) -> Tensor:
    """Do the same as :func:`distinct_numbers` for bounds up to a limit; the host reads nothing.

    Returns:
        Shape [T, N].
    """
    keys = torch.rand(len(below), limit, generator=generator, device=below.device)
    beyond = torch.arange(limit, device=below.device) >= below[:, None]
    return keys.masked_fill_(beyond, -1.0).topk(draw_num, dim=1).indices


def numbers_of_many(below: Tensor, draw_num: int, limit: int, generator: torch.Generator) -> Tensor:
    """Do the same as :func:`numbers_of_few` with fewer random numbers, for bounds of at least 2 N."""
    shape = (len(below), draws_for(draw_num, 0.5))  # a draw is an earlier one with a chance below N / bound
    share = torch.rand(shape, generator=generator, device=below.device, dtype=torch.float64)
    drawn = (share * below[:, None]).long()
    return first_good(drawn, mark_repeats(drawn, limit), draw_num)


def draws_for(good_num: int, good_chance: float) -> int:
    """Return the number of draws that contains N good ones, except with probability :data:`SHORT_CHANCE`.

    Args:
        good_num: N.
        good_chance: Lower bound of the probability of a good draw.
    """
    return good_num + int(nbinom.isf(SHORT_CHANCE, max(1, good_num), good_chance))


def first_good(drawn: Tensor, is_bad: Tensor, good_num: int) -> Tensor:
    """Return the first N draws of each row that are not bad, shape [T, N]."""
    column = torch.where(is_bad, drawn.size(1), (~is_bad).cumsum(1) - 1).clamp_(max=good_num)
    pool = torch.zeros(len(drawn), good_num + 1, dtype=torch.int64, device=drawn.device)
    return pool.scatter_(1, column, drawn)[:, :-1]


def mark_repeats(pool: Tensor, item_num: int, before: Tensor | None = None) -> Tensor:
    """Mark the second and later occurrences of an item in its row, shape [T, N], by one sort of all (row, item).

    Args:
        pool: Item ids, shape [T, N].
        item_num: V + 1.
        before: Earlier occurrences, as ``row * item_num + item``.
    """
    key = (torch.arange(len(pool), device=pool.device)[:, None] * item_num + pool).view(-1)
    if before is not None:
        key = torch.cat([before, key])
    order = (key.int() if len(pool) * item_num < 2**31 else key).argsort(stable=True)
    ordered = key.index_select(0, order)
    again = torch.zeros_like(ordered, dtype=torch.bool)
    again[1:] = ordered[1:] == ordered[:-1]
    return torch.zeros_like(again).scatter_(0, order, again)[-pool.numel() :].view(pool.shape)
