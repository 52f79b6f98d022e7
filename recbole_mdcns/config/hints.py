"""The key that a user means by a name that is no key."""

from __future__ import annotations

import functools
from collections.abc import Collection

from recbole_mdcns.config.keys import own_keys, recbole_keys
from recbole_mdcns.errors import did_you_mean, nearest
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml

_PEER = "peer"
#: How close the name of a key that only some models read must be: there are hundreds of them.
_CLOSE = 0.8


def hint_for(name: str, known: Collection[str]) -> str:
    """Return ``' (did you mean X?)'`` for a name that is no key, or an empty text if no key is close to it.

    The symbols of the paper come first, then what other libraries call a key, keys of the peer written as ``peer_KEY``,
    the keys of all runs, and at last those of some models.

    Args:
        name: As the user wrote it.
        known: Every key that something reads.
    """
    symbol, meant = of_symbol(name), _meant(name, known)
    if symbol or meant is not None:
        return symbol or did_you_mean(meant or [])
    common = (own_keys().keys() | recbole_keys()).intersection(known)
    return nearest(name, sorted(common)) or nearest(name, known, cutoff=_CLOSE)


def of_symbol(symbol: str) -> str:
    """Return ``' (the paper's tau is distill_temperature)'`` for a symbol of the paper, or an empty text."""
    names = [key.name for key in own_keys().values() if key.symbol == symbol]
    return f" (the paper's {symbol} is {names[0]})" if names else ""


@functools.lru_cache(maxsize=1)
def other_names() -> dict[str, list[str]]:
    """Return the keys to suggest for the names of ``properties/other_names.yaml``; none where no key is meant."""
    names = read_yaml(properties_dir() / "other_names.yaml")
    return {name: [keys] if isinstance(keys, str) else keys or [] for name, keys in names.items()}


def _meant(name: str, known: Collection[str]) -> list[str] | None:
    """Return the keys that a name stands for by a rule, without guessing; None if there is no rule for it."""
    lower = name.lower()
    if lower in other_names():
        return [key for key in other_names()[lower] if key in known]
    prefix, _, rest = lower.partition("_")
    if prefix != _PEER or not rest:
        return None
    keys = [rest] if rest in known else other_names().get(rest)
    return None if keys is None else [f"{_PEER}.{key}" for key in keys if key in known]
