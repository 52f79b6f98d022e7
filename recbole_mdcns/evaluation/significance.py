"""Is a difference more than chance? Two-sided paired tests over seeds and over users, Holm's correction, bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

#: Differences with a smaller p count as more than chance.
LEVEL = 0.05
#: The value of a metric at K by the place of a target that is among the first K, shape [rows].
_OF_PLACE: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "recall": lambda place, cut: np.ones(len(place)),
    "hit": lambda place, cut: np.ones(len(place)),
    "precision": lambda place, cut: np.full(len(place), 1 / cut),
    "ndcg": lambda place, cut: 1 / np.log2(place + 1),
    "mrr": lambda place, cut: 1 / place,
    "map": lambda place, cut: 1 / place,
}


def is_per_user(metric: str) -> bool:
    """Tell whether :func:`values_of_users` has a metric: its value for a row follows from the place of the target."""
    name, _, cut = metric.partition("@")
    return name in _OF_PLACE and cut.isdecimal()


def values_of_users(place: np.ndarray, metric: str, user_of_row: np.ndarray | None = None) -> np.ndarray:
    """Return a metric of every test user from the places of their targets; the mean over users is that over rows.

    Args:
        place: The place of each row's target, shape [rows]: 1 is the first, 0 is beyond the ranked ones.
        metric: Such as ``ndcg@10``; see :func:`is_per_user`. A row has one target: recall is a hit, and MAP is
            MRR.
        user_of_row: A number for the user of each row, shape [rows]; None where each user has one. A user with several
            rows counts with their sum, divided by the mean number of rows per user.

    Returns:
        Shape [users].

    Raises:
        ValueError: The metric has no value per user.
    """
    if not is_per_user(metric):
        raise ValueError(f"{metric} per user is not known: choose {', '.join(_OF_PLACE)} at K")
    name, _, cut = metric.partition("@")
    is_hit = (place > 0) & (place <= int(cut))
    values = np.where(is_hit, _OF_PLACE[name](np.maximum(place, 1), int(cut)), 0.0)
    if user_of_row is None:
        return values
    _, index = np.unique(user_of_row, return_inverse=True)
    sums = np.bincount(index, values)
    return sums * len(sums) / len(values)


def paired_t(ours: ArrayLike, other: ArrayLike) -> float | None:
    """Return the two-sided p of the paired t-test; None for fewer than two pairs, 1 where all pairs are equal.

    Raises:
        ValueError: The lengths differ.
    """
    difference = np.subtract(ours, other)
    if len(difference) < 2:
        return None
    if np.ptp(difference) == 0:
        return 1.0 if difference[0] == 0 else 0.0
    return float(stats.ttest_rel(ours, other).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's corrected p-values, in the given order: the probability of one false finding stays below the level.

    The k-th smallest of m is multiplied by m - k + 1, and none is smaller than one before it (Holm 1979).
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected.tolist()


#: Samples of :func:`bootstrap` in memory at once.
_DRAWS_AT_ONCE = 100


def bootstrap(difference: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of the rows' differences, rows drawn with repetition."""
    source = np.random.default_rng(0)
    # The mean of n draws from n values needs only how often each value is drawn; equal values count together.
    values, counts = np.unique(np.round(difference, 12), return_counts=True)
    sizes = np.diff([*range(0, draws, _DRAWS_AT_ONCE), draws])  # many rows have many values
    drawn = (source.multinomial(len(difference), counts / len(difference), size=size) @ values for size in sizes)
    low, high = np.quantile(np.concatenate(list(drawn)) / len(difference), [0.025, 0.975])
    return float(low), float(high)
