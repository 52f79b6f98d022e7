"""Iterated filters on how often users and items occur, such as 5-core, on integer arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Tells which counts are allowed: counts [n] -> booleans [n].
Allowed = Callable[[np.ndarray], np.ndarray]


def filter_by_counts(users: np.ndarray, items: np.ndarray, user_allowed: Allowed, item_allowed: Allowed) -> np.ndarray:
    """Drop users and items whose number of interactions is not allowed, until every number is.

    Each round counts once and drops users and items together.

    Args:
        users: User of each interaction, integers from 0, shape [n].
        items: Item of each interaction, integers from 0, shape [n].
        user_allowed: Which counts of a user may stay.
        item_allowed: Which counts of an item may stay.

    Returns:
        Which interactions stay, booleans of shape [n].
    """
    left = np.arange(len(users))
    while True:
        stays = (
            user_allowed(np.bincount(users[left]))[users[left]] & item_allowed(np.bincount(items[left]))[items[left]]
        )
        if stays.all():
            break
        left = left[stays]
    kept = np.zeros(len(users), dtype=bool)
    kept[left] = True
    return kept


def k_core(users: np.ndarray, items: np.ndarray, user_min: int, item_min: int) -> np.ndarray:
    """Keep interactions until every user has ``user_min`` of them and every item ``item_min``; see above."""
    return filter_by_counts(users, items, lambda counts: counts >= user_min, lambda counts: counts >= item_min)
