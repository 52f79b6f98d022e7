"""The keys that a run reads: those of all runs, of its models, its strategy, its loss and its protocol."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import (
    LOSS,
    NEGATIVE_SAMPLING,
    NEGATIVES,
    PEERS,
    USER_SPLIT,
    every_key,
    keys_of,
    keys_of_models,
    overall_keys,
    own_keys,
)
from recbole_mdcns.config.model_keys import keys_of_own_loss, model_keys
from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.declared import Declaration, declarations_of, declared, is_known


@dataclass(frozen=True)
class Parts:
    """The parts of a run; the configuration of a single model has only a model and a protocol.

    Attributes:
        model: The self model's class.
        protocol: The protocol.
        has_split_file: A file gives the split over users.
        peers: The peers' classes; empty if neither strategy nor loss trains peers.
        strategy: The strategy's class; None if the loss takes no negatives.
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
    """Return our keys that belong to no model and that only some runs read."""
    common = {name for name, key in overall_keys().items() if key.section not in _CONDITIONAL}
    return frozenset(own_keys().keys() - common)


_CONDITIONAL = (PEERS, USER_SPLIT, LOSS, NEGATIVE_SAMPLING, NEGATIVES)


def keys_read(parts: Parts) -> set[str]:
    """Return the keys that a run reads in addition to those of all runs."""
    names = model_keys(parts.model, *parts.peers)
    if parts.peers:
        names |= _section(PEERS)
    if parts.protocol == "paper":
        names |= _section(USER_SPLIT) - ({"split_ratio", "split_seed"} if parts.has_split_file else set())
    if parts.strategy is not None:
        names |= _section(NEGATIVE_SAMPLING) | _of_plugin("negatives", parts.strategy, _section(NEGATIVES))
    if parts.loss is not None:
        names |= _section(LOSS) | _of_plugin("losses", parts.loss, set())
    return names


def keys_not_read(given: Iterable[str], parts: Parts) -> list[str]:
    """Return the given keys that belong to other models, strategies, losses or protocols and that this run ignores.

    A user's own model may read any key of a model.
    """
    of_others = set(optional_keys())
    if all(map(is_known, (parts.model, *parts.peers))):
        of_others |= keys_of_models()
    return sorted((of_others - keys_read(parts)).intersection(given))


def keys_of_own_losses(given: Iterable[str], parts: Parts) -> list[str]:
    """Return the given keys that only the own losses of the run's models read: ``ranking_loss`` trains them instead.

    These keys are part of a configuration and of its identity, but change nothing.
    """
    models = (parts.model, *parts.peers)
    of_losses = {key for each in models for key in keys_of_own_loss(each)}
    read = {key for each in models for key in model_keys(each) - keys_of_own_loss(each)} | plugin_keys(parts).keys()
    return sorted((of_losses - read).intersection(given))


def switched_off(values: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, str]:
    """Return the keys that another key of the same values switches off, and that key's name.

    Args:
        values: Resolved keys; a switch that is not among them switches nothing off.
        keys: The declared keys of the run.
    """
    off = (name for name, key in keys.items() if key.only_with and not values.get(key.only_with, True))
    return {name: keys[name].only_with for name in off if name in values}


def plugin_keys(parts: Parts) -> dict[str, Key]:
    """Return the keys that the user's own strategy and loss of a run declare, in addition to :func:`own_keys`.

    Raises:
        ConfigError: A user's file defines a key of ours again, or reads a key that no file defines.
    """
    kinds = (("negatives", parts.strategy), ("losses", parts.loss))
    declarations = [each for kind, cls in kinds if cls is not None for each in declarations_of(kind, cls)]
    keys = {name: key for each in reversed(declarations) for name, key in keys_of(each).items()}
    ours = {each.path for kind, _ in kinds for each in declared(kind).values()}
    for declaration in declarations:
        if declaration.path not in ours:
            _check_own(declaration, keys.keys() | model_keys(parts.model, *parts.peers))
    return keys


def _check_own(declaration: Declaration, more: Set[str]) -> None:
    """Refuse names in a user's own file that would be ignored: a second default of a key, and an unknown key."""
    for name in declaration.keys:
        if name in own_keys():
            raise ConfigError(
                f"{declaration.path}: key {name} is one of ours, and keeps its default: list it under reads instead"
            )
    known = every_key() | more
    for name in declaration.reads or ():
        if name not in known:
            raise ConfigError(
                f"{declaration.path}: reads names {name}, and no file defines such a key{nearest(name, known)}"
            )


def _section(title: str) -> set[str]:
    return {name for name, key in overall_keys().items() if key.section == title}


def _of_plugin(kind: str, cls: type, shared: set[str]) -> set[str]:
    """Return the keys that a class reads; a user's own class that lists none may read all shared keys."""
    declarations = declarations_of(kind, cls)
    lists_reads = any(declaration.reads is not None for declaration in declarations)
    names = {name for each in declarations for name in (*(each.reads or ()), *each.keys)}
    return names if lists_reads else names | shared
