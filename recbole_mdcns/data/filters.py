"""The filter ``val_interval``: which rows stay by the value in one of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.data.intervals import FORMS, parse_intervals
from recbole_mdcns.errors import DataError


def rows_to_keep(field: str, column: pd.Series, kind: str, allowed: Any) -> np.ndarray:
    """Tell which rows of a column a filter keeps.

    Args:
        field: Name of the column, for the message.
        column: Its values, numbers or text, shape [n].
        kind: Its type in the header of the file: ``float``, ``token`` or a type of sequences.
        allowed: An interval for numbers, a list of values for tokens.

    Returns:
        Booleans of shape [n]; a missing number is in no interval.

    Raises:
        DataError: The filter does not fit the type of the column; names both.
    """
    if kind == "float":
        try:
            intervals = parse_intervals(allowed)
        except ValueError:
            raise _mismatch(field, allowed, kind, f"give {FORMS}") from None
        return _in_any(column.to_numpy(dtype=np.float64), intervals)
    if kind == "token":
        if not isinstance(allowed, list):
            raise _mismatch(field, allowed, kind, "give a list of the values to keep, such as ['a', 'b']")
        if any(isinstance(value, bool) for value in allowed):  # yaml's reading of no and yes
            raise _mismatch(field, allowed, kind, "put quotes around yes, no, true and false")
        tokens = [str(value) for value in allowed]  # also those of digits
        missing = sorted(set(tokens) - set(map(str, column.dropna().unique())))
        if missing:
            unmatched = ", ".join(map(repr, missing))
            raise DataError(f"val_interval.{field} = {allowed!r} is not allowed: no line has {unmatched}")
        return column.isin(tokens).to_numpy()
    raise _mismatch(field, allowed, kind, "only columns of type float or token are filtered")


def _in_any(numbers: np.ndarray, intervals: list[tuple[str, float, float, str]]) -> np.ndarray:
    inside = np.zeros(len(numbers), dtype=bool)
    for left, low, high, right in intervals:
        above = numbers >= low if left == "[" else numbers > low
        below = numbers <= high if right == "]" else numbers < high
        inside |= above & below
    return inside


def _mismatch(field: str, allowed: Any, kind: str, cure: str) -> DataError:
    return DataError(f"val_interval.{field} = {allowed!r} is not allowed: the column is of type {kind}; {cure}")
