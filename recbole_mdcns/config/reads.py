"""Which keys a run reads: those of all runs, of its models, of its strategy and of its loss, and of its protocol."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import (
    NEGATIVE_SAMPLING,
    NEGATIVES,
    PEERS,
    USER_SPLIT,
    keys_of,
    keys_of_models,
    overall_keys,
    own_keys,
)
from recbole_mdcns.config.model_keys import model_keys
from recbole_mdcns.support.declared import declarations_of, is_known


@dataclass(frozen=True)
class Parts:
    """What a run is made of; a configuration of one model alone has its class and its protocol.

    Attributes:
        model: The self model's class.
        protocol: The protocol.
        has_split_file: A file says which users are trained on.
        peers: The peers' classes; none where neither strategy nor loss trains peers.
        strategy: The strategy's class; None where the loss takes no negatives.
        loss: The loss's class.
    """

    model: type
    protocol: str
    has_split_file: bool = False
    peers: tuple[type, ...] = ()
    strategy: Any = None
    loss: Any = None


@functools.lru_cache(maxsize=1)
def optional_keys() -> frozenset[str]:
    """Return our keys that belong to no model and that not every run reads."""
    common = {name for name, key in overall_keys().items() if key.section not in _CONDITIONAL}
    return frozenset(own_keys().keys() - common)


_CONDITIONAL = (PEERS, USER_SPLIT, NEGATIVE_SAMPLING, NEGATIVES)


def keys_read(parts: Parts) -> set[str]:
    """Return which keys a run reads beside those of all runs."""
    names = model_keys(parts.model, *parts.peers)
    if parts.peers:
        names |= _section(PEERS)
    if parts.protocol == "paper":
        names |= _section(USER_SPLIT) - ({"split_ratio", "split_seed"} if parts.has_split_file else set())
    if parts.strategy is not None:
        names |= _section(NEGATIVE_SAMPLING) | _of_plugin("negatives", parts.strategy, _section(NEGATIVES))
    if parts.loss is not None:
        names |= _of_plugin("losses", parts.loss, set())
    return names


def keys_not_read(given: Iterable[str], parts: Parts) -> list[str]:
    """Return those of some keys that other models, strategies, losses or protocols read, and this run does not.

    A model of the user's own may read any key of a model.
    """
    of_others = set(optional_keys())
    if all(map(is_known, (parts.model, *parts.peers))):
        of_others |= keys_of_models()
    return sorted((of_others - keys_read(parts)).intersection(given))


def plugin_keys(parts: Parts) -> dict[str, Key]:
    """Return the keys that the run's own classes of strategy and loss declare, beside :func:`own_keys`."""
    kinds = (("negatives", parts.strategy), ("losses", parts.loss))
    declarations = [each for kind, cls in kinds if cls is not None for each in declarations_of(kind, cls)]
    return {name: key for each in reversed(declarations) for name, key in keys_of(each).items()}


def _section(title: str) -> set[str]:
    return {name for name, key in overall_keys().items() if key.section == title}


def _of_plugin(kind: str, cls: type, shared: set[str]) -> set[str]:
    """Return the keys that a class reads; one of the user's own that lists none may read all shared ones."""
    declarations = declarations_of(kind, cls)
    lists_reads = any(declaration.reads is not None for declaration in declarations)
    names = {name for each in declarations for name in (*(each.reads or ()), *each.keys)}
    return names if lists_reads else names | shared
