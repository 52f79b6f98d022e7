"""What is odd in data that can be read: reported as it is, or refused with ``strict_data``."""

from __future__ import annotations

import numpy as np
import pandas as pd


def find_problems(frame: pd.DataFrame, user: str, item: str, time: str, unsorted: bool) -> list[str]:
    """Look for lines that contradict each other or serve nothing.

    Args:
        frame: Interactions, indexed by their line in the file less 2.
        user: Column of the users.
        item: Column of the items.
        time: Column of the times.
        unsorted: Look for lines out of the order of time, too; sequences are sorted by time in any case.

    Returns:
        One sentence for each kind that occurs, with the line where it occurs first and how often.
    """
    codes, names = pd.factorize(frame[user])
    times, lines = frame[time].to_numpy(), frame.index.to_numpy() + 2
    found = []
    if unsorted:
        order = np.lexsort((lines, codes))
        back = (codes[order][1:] == codes[order][:-1]) & (times[order][1:] < times[order][:-1])
        if back.any():
            where = order[1:][back]
            line = lines[where].min()
            found.append(f"line {line}: its {time} is before the line above it of its user ({back.sum()} such lines)")
    order = np.lexsort((lines, pd.factorize(frame[item])[0], times, codes))
    same = codes[order][1:] == codes[order][:-1]
    same &= times[order][1:] == times[order][:-1]
    items = frame[item].array
    where = order[1:][same]
    before = order[:-1][same]
    again = np.asarray(items[where] == items[before])
    if again.any():
        first = np.argmin(lines[where[again]])
        line, other = lines[where[again]][first], lines[before[again]][first]
        found.append(f"line {line}: the same {user}, {item} and {time} as in line {other} ({again.sum()} such lines)")
    single = np.flatnonzero(np.bincount(codes) == 1)
    if len(single):
        alone = np.flatnonzero(np.isin(codes, single))
        line = lines[alone].min()
        name = names[codes[alone[np.argmin(lines[alone])]]]
        found.append(
            f"line {line}: {user} {name!r} has one interaction, nothing to train or evaluate on ({len(single)} such users)"
        )
    return found
