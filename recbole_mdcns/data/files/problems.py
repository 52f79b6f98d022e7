"""Oddities in readable data: they are reported, or refused with ``strict_data``."""

from __future__ import annotations

import numpy as np
import pandas as pd


def find_problems(frame: pd.DataFrame, user: str, item: str, time: str, unsorted: bool) -> list[str]:
    """Look for repeated lines, lines out of time order and users with a single item.

    Args:
        frame: Interactions; the index is the line in the file minus 2.
        user: Column of the users.
        item: Column of the items.
        time: Column of the times.
        unsorted: Look for lines out of time order too; sequences are sorted by time in any case.

    Returns:
        One sentence for each kind of problem, with its first line and its number of lines.
    """
    users, names = pd.factorize(frame[user])
    items = pd.factorize(frame[item])[0]
    times, lines = frame[time].to_numpy(), frame.index.to_numpy() + 2
    problems = []

    if unsorted:
        order = np.lexsort((lines, users))  # of each user, as in the file
        back = (np.diff(users[order]) == 0) & (np.diff(times[order]) < 0)
        if back.any():
            line = lines[order[1:][back]].min()
            back_num = back.sum()
            problems.append(f"line {line}: its {time} is before the line above it of its user ({back_num} such lines)")

    order = np.lexsort((lines, items, times, users))
    again = np.logical_and.reduce([np.diff(values[order]) == 0 for values in (users, items, times)])
    if again.any():
        later, earlier = lines[order[1:][again]], lines[order[:-1][again]]
        first = later.argmin()
        problems.append(
            f"line {later[first]}: the same {user}, {item} and {time} as in line {earlier[first]} "
            f"({again.sum()} such lines)"
        )

    is_single = np.bincount(users) == 1
    if is_single.any():
        alone = np.flatnonzero(is_single[users])
        first = alone[lines[alone].argmin()]
        problems.append(
            f"line {lines[first]}: {user} {str(names[users[first]])!r} has one interaction, nothing to train or "
            f"evaluate on ({is_single.sum()} such users)"
        )
    return problems
