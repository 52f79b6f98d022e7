"""The peers of a run, and the keys that each of them takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from recbole_mdcns.config.hints import hint_for
from recbole_mdcns.config.model_keys import model_keys
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import default_peer, resolve_model
from recbole_mdcns.support.declared import is_known

PEER_PREFIX = "peer."
#: Keys of start and training that may differ between self and peer; keys of the peer's model may differ too.
PEER_TRAINING_KEYS = ("learner", "learning_rate", "weight_decay", "item_init_range")


def peer_classes(peer_model: str | type | None) -> list[type]:
    """Return the classes that ``peer_model`` names, one or several with commas; an empty list for None.

    Raises:
        ConfigError: There is no model of that name.
    """
    names = peer_model.split(",") if isinstance(peer_model, str) else [] if peer_model is None else [peer_model]
    return [resolve_model(name.strip() if isinstance(name, str) else name, "peer_model") for name in names]


def named_peers(model_class: type, peer_model: str | type | None) -> list[type]:
    """Return the peers of a self model: those that ``peer_model`` names, or its default peer.

    Raises:
        ConfigError: There is no model of that name.
    """
    return peer_classes(peer_model) or [resolve_model(default_peer(model_class.__name__), "peer_model")]


def check_overrides(overrides: Iterable[str], peers: Sequence[type], common: set[str]) -> None:
    """Refuse ``peer.``-keys that cannot be set for the peers only.

    Args:
        overrides: The ``peer.``-keys, without the prefix.
        peers: The peers' classes.
        common: Keys that all models of the run share.

    Raises:
        ConfigError: Names the key and the allowed keys.
    """
    own = model_keys(*peers)
    shared = common - own - set(PEER_TRAINING_KEYS)
    allowed = sorted({*own, *PEER_TRAINING_KEYS})
    for key in overrides:
        if key in shared or (key not in allowed and all(map(is_known, peers))):
            names = ", ".join(cls.__name__ for cls in peers)
            raise ConfigError(
                f"peer.{key} cannot be set for peer {names}{hint_for(key, allowed)}. Allowed are {', '.join(allowed)}"
            )


def values_of_peer(
    peer: type, given: dict[str, Any], model: type, overrides: dict[str, Any], peers: Sequence[type]
) -> dict[str, Any]:
    """Return the user's keys and values for one of the peers.

    Args:
        peer: Its class.
        given: Keys without prefix; the peer takes all except those that only the self model knows.
        model: The self model's class.
        overrides: ``peer.``-keys; each peer takes those it knows.
        peers: The classes of all peers.
    """
    known = model_keys(peer)
    not_shared = {"model", "dataset", "peer_model"} | (model_keys(model) - known)
    of_others = model_keys(*peers) - known
    shared = {key: value for key, value in given.items() if key not in not_shared}
    return {**shared, **{key: value for key, value in overrides.items() if key not in of_others}}
