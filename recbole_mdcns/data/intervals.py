"""Intervals as in RecBole: ``"[5,inf)"``, ``"(0,10]"``, or several with semicolons, ``"[0,5];[10,inf)"``."""

from __future__ import annotations

import math
from typing import Any

#: Bracket, lower bound, upper bound, bracket: the form that RecBole's filters take.
Interval = tuple[str, float, float, str]

#: What an interval may look like, for messages.
FORMS = "an interval in quotes, such as '[5,inf)', '(0,10]' or '[0,5];[10,inf)'"


def parse_intervals(value: Any) -> list[Interval]:
    """Read one interval or several.

    Args:
        value: Text, or a list or tuple of two numbers, which RecBole reads as ``[low, high]`` or ``(low, high)``.

    Returns:
        The intervals in the form of RecBole's filters.

    Raises:
        ValueError: The value is not an interval, or an interval in it holds no number.
    """
    if isinstance(value, (list, tuple)):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"expected {FORMS}")
    return [_parse(part.strip()) for part in value.split(";")]


def holds_a_count(interval: Interval) -> bool:
    """Tell whether a number of interactions, a whole number of at least 1, lies in an interval."""
    left, low, high, right = interval
    low = max(low, 0)
    first = max(1, math.floor(low) + 1 if left == "(" else math.ceil(low))
    return first <= high if right == "]" else first < high


def _parse(text: str) -> Interval:
    left, inner, right = text[:1], text[1:-1].split(","), text[-1:]
    try:
        low, high = map(float, inner)
    except ValueError:
        low = high = math.nan
    if left not in ("(", "[") or right not in (")", "]") or math.isnan(low) or math.isnan(high):
        raise ValueError(f"{text!r} is not an interval; expected {FORMS}")
    if low > high:
        raise ValueError(f"in {text!r} the lower bound is above the upper one")
    if (low == high and (left, right) != ("[", "]")) or low == math.inf or high == -math.inf:
        raise ValueError(f"{text!r} holds no number")
    return left, low, high, right
