"""The peers of a run, and the keys that each of them takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recbole_mdcns.config.hints import hint_for
from recbole_mdcns.config.model_keys import model_keys
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import default_peer, resolve_model
from recbole_mdcns.support.declared import is_known

PEER_PREFIX = "peer."
#: Keys of start and training that may differ between self and peer; keys of the peer's model may differ too.
PEER_TRAINING_KEYS = ("learner", "learning_rate", "weight_decay", "item_init_range")


def named_peers(model_class: type, peer_model: str | type | None) -> list[type]:
    """Return the peers of a self model: those that ``peer_model`` names, several with commas, or its default peer.

    Raises:
        ConfigError: There is no model of that name.
    """
    named = default_peer(model_class.__name__) if peer_model is None else peer_model
    names = [name.strip() for name in named.split(",")] if isinstance(named, str) else [named]
    return [resolve_model(name, "peer_model") for name in names]


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
