"""Search spaces: lists of values, and distributions to draw from."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

from recbole_mdcns.errors import ConfigError

#: Distributions, what they need, and how a value is drawn.
DISTRIBUTIONS = ("uniform", "loguniform", "randint")
#: Bounds from here on do not count as numbers.
_INFINITE = 1e300


def check_space(space: dict[str, Any], where: str) -> None:
    """Refuse a malformed space: each key needs a list of values, or one distribution.

    Raises:
        ConfigError: Names the place, the key and what is allowed.
    """
    for key, choices in space.items():
        is_list = isinstance(choices, list) and choices and len(set(map(repr, choices))) == len(choices)
        if not (is_list or _is_distribution(choices)):
            raise ConfigError(
                f"{where}.{key} = {choices!r} is not allowed: give a list of values, each once, or one of "
                f"{', '.join(DISTRIBUTIONS)} with low < high, such as {{uniform: [0.5, 3]}}; "
                "loguniform from above 0, randint of whole numbers"
            )


def _is_distribution(choices: Any) -> bool:
    if not isinstance(choices, dict) or len(choices) != 1:
        return False
    ((kind, bounds),) = choices.items()
    if kind not in DISTRIBUTIONS or not isinstance(bounds, list) or len(bounds) != 2:
        return False
    kinds = int if kind == "randint" else (int, float)
    if not all(isinstance(each, kinds) and not isinstance(each, bool) and abs(each) < _INFINITE for each in bounds):
        return False
    return bounds[0] < bounds[1] and (kind != "loguniform" or bounds[0] > 0)


def grid(space: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return every combination of the values of a space, the first key changing slowest.

    Raises:
        ConfigError: A key has a distribution, of which there is no grid.
    """
    for key, choices in space.items():
        if isinstance(choices, dict):
            raise ConfigError(f"{where}.{key} = {choices!r} is not allowed with search: grid: give a list of values")
    return [dict(zip(space, values)) for values in itertools.product(*space.values())]


def has(choices: Any, value: Any) -> bool:
    """Tell whether a list has a value, or whether a distribution may draw it."""
    if isinstance(choices, list):
        return value in choices
    ((kind, (low, high)),) = choices.items()
    if not isinstance(value, int if kind == "randint" else (int, float)):
        return False
    return low <= value <= high or math.isclose(value, low) or math.isclose(value, high)  # a logarithm is rounded


def ends(choices: Any) -> list[Any]:
    """Return the values of a list, or both ends of a distribution."""
    return choices if isinstance(choices, list) else next(iter(choices.values()))


def draws(space: dict[str, Any], number: int, seed: int) -> list[dict[str, Any]]:
    """Draw different settings from a space, the same for the same seed; fewer if it does not have so many."""
    source = random.Random(seed)
    different: dict[str, dict[str, Any]] = {}
    for _ in range(100 * number):
        setting = {key: _draw(choices, source) for key, choices in space.items()}
        different.setdefault(repr(setting), setting)
        if len(different) == number:
            break
    return list(different.values())


def _draw(choices: Any, source: random.Random) -> Any:
    if isinstance(choices, list):
        return source.choice(choices)
    ((kind, (low, high)),) = choices.items()
    if kind == "randint":
        return source.randint(low, high)
    if kind == "loguniform":
        return math.exp(source.uniform(math.log(low), math.log(high)))
    return source.uniform(low, high)
