"""``MDCNSConfig``: the configuration of a run, with its self model, peers, strategy and loss."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from recbole_mdcns.config import checks
from recbole_mdcns.config.identity import parts_of
from recbole_mdcns.config.keys import own_keys, recbole_keys
from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.config.model_keys import model_keys
from recbole_mdcns.config.peers import PEER_PREFIX, PEER_TRAINING_KEYS, check_overrides, named_peers
from recbole_mdcns.config.reads import Parts, keys_of_own_losses, plugin_keys
from recbole_mdcns.config.values import plain_value
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import spec_of
from recbole_mdcns.support.declared import is_known

#: Fewer negatives than this are few for a softmax or gBCE.
FEW = 32


class MDCNSConfig(ModelConfig):
    """Configuration of one run.

    A plain key holds for self and peer, ``peer.KEY`` for the peer only. See :class:`ModelConfig` for the layers, the
    arguments and the content.

    Attributes:
        peer_overrides: The keys that were given with the prefix ``peer.``, for all peers.
        resolved_peers: The resolved keys of each peer, where the values come from :meth:`plain`; otherwise empty.
    """

    def _merge_external_config_dict(self) -> None:
        super()._merge_external_config_dict()
        external = self.external_config_dict
        peer = external.pop("peer", None) or {}
        each = peer if isinstance(peer, list) else []
        if not isinstance(peer, (dict, list)) or not all(isinstance(keys, dict) for keys in each):
            raise ConfigError(f"peer = {peer!r} is not allowed: it holds keys of the peer; peer_model names the model")
        self.resolved_peers: list[dict[str, Any]] = [dict(keys) for keys in each]
        self.peer_overrides = {} if each else dict(peer)
        for key in [key for key in external if key.startswith(PEER_PREFIX)]:
            self.peer_overrides[key[len(PEER_PREFIX) :]] = external.pop(key)

    def _find_parts(self, model_class: type, values: Mapping[str, Any]) -> Parts:
        return parts_of(model_class, values)

    def _get_final_config_dict(self) -> dict[str, Any]:
        final = super()._get_final_config_dict()
        if self.parts.peers:
            final["peer"] = self.resolved_peers or self.peer_overrides
            final["peer_model"] = ",".join(map(spec_of, self.parts.peers))
        return final

    def _check_given(self, given: dict[str, Any]) -> None:
        super()._check_given(given)
        if self.parts.strategy is None and "neg_sampler" in given:
            raise ConfigError(
                f"neg_sampler = {given['neg_sampler']!r} is not allowed with ranking_loss = {given['ranking_loss']!r}, "
                "which is over the whole catalogue and takes no negatives: leave neg_sampler out"
            )

    def _check_parts(self, final: dict[str, Any]) -> None:
        super()._check_parts(final)
        checks.check_padding(final["pad_side"], self.parts.peers)
        if self.parts.strategy is not None:
            self.parts.strategy.check(final)
        self.parts.loss.check(final)

    def _check_whole(self) -> None:
        named = self.parts.peers or named_peers(self.model_class, self.external_config_dict.get("peer_model"))
        if self.parts.peers and len(self.resolved_peers) not in (0, len(named)):
            raise ConfigError(f"peer = {self.resolved_peers!r} is not allowed: there are {len(named)} peers")
        given = self._peer_keys()
        check_overrides(given, named, self._common_keys())
        checks.check_symbols(self.unread_keys())
        if given:
            try:
                self.peer_configs()  # checks their values now
            except ConfigError as error:
                raise ConfigError(f"peer: {error}") from None

    def _reader(self) -> str:
        strategy = self.final_config_dict.get("neg_sampler")
        by = f" and neg_sampler = {strategy!r}" if strategy else ""
        return f"a run with ranking_loss = {self.final_config_dict.get('ranking_loss')!r}{by}"

    def keys_of_own_losses(self) -> list[str]:
        """See :meth:`ModelConfig.keys_of_own_losses`; includes those that are given as ``peer.KEY``."""
        of_peer: list[str] = []
        if self.parts.peers:
            first, *others = self.parts.peers
            of_peer = keys_of_own_losses(self.peer_overrides, Parts(first, self.parts.protocol, peers=tuple(others)))
        return [*super().keys_of_own_losses(), *(f"{PEER_PREFIX}{key}" for key in of_peer)]

    def unread_keys(self) -> list[str]:
        """See :meth:`ModelConfig.unread_keys`; includes all ``peer.KEY`` if the run has no peer."""
        of_peer = [] if self.parts.peers else sorted(f"{PEER_PREFIX}{key}" for key in self._peer_keys())
        return [*super().unread_keys(), *of_peer]

    def few_negatives(self) -> str:
        """Return a sentence if a loss over all negatives of a target has few of them; otherwise an empty text."""
        if not getattr(self.parts.loss, "takes_all", False):
            return ""
        key = self.parts.strategy.candidate_key
        number = self.final_config_dict.get(key, FEW)  # a user's own strategy may have another number
        if number >= FEW:
            return ""
        named = [line for line in self.dataset_defaults() if line.startswith(f"{key} ")] or [f"{key} = {number}"]
        return f"{named[0]}: few negatives for ranking_loss = {self['ranking_loss']!r}, 100 to 256 are usual"

    def _peer_keys(self) -> set[str]:
        """Return the keys that are given for peers only."""
        return {*self.peer_overrides, *(key for keys in self.resolved_peers for key in keys)}

    # -- peers --------------------------------------------------------------------------------------------------------

    @property
    def peer_classes(self) -> tuple[type, ...]:
        """The classes of the peers that the run trains; empty if neither strategy nor loss needs peers."""
        return self.parts.peers

    @property
    def peer_roles(self) -> list[str]:
        """The names of the peers: ``peer``, or ``peer1``, ``peer2`` and so on if there are several."""
        number = len(self.parts.peers)
        return ["peer"] if number == 1 else [f"peer{place}" for place in range(1, number + 1)]

    def peer_configs(self) -> list[ModelConfig]:
        """Return the configuration of each peer: keys of all runs, of its model, and the ``peer.``-keys it knows."""
        configs = []
        of_own_plugins = plugin_keys(self.parts).keys() - own_keys().keys()  # of the user's own strategy and loss
        of_self, of_peers = model_keys(self.model_class), model_keys(*self.parts.peers)
        for peer_class, resolved in zip(self.parts.peers, self.resolved_peers or [{} for _ in self.parts.peers]):
            known = model_keys(peer_class)
            left_out = {"model", "dataset", "peer_model", *(of_self - known)}
            values = {key: value for key, value in self.external_config_dict.items() if key not in left_out}
            own = {**resolved, **self.peer_overrides}
            values.update({key: value for key, value in own.items() if key not in of_peers - known})
            read = known | self._common_keys() if is_known(peer_class) else values.keys()  # own code may read any key
            values = {key: value for key, value in values.items() if key in read and key not in of_own_plugins}
            configs.append(ModelConfig(peer_class, self.dataset, config_dict=values))
        return configs

    def plain(self) -> dict[str, Any]:
        """See :meth:`ModelConfig.plain`; ``peer`` holds the resolved keys of the peer, or a list of those of each."""
        values = super().plain()
        if self.parts.peers:
            peers = self._plain_peers
            values["peer"] = peers[0] if len(peers) == 1 else peers
        if is_known(self.model_class):  # a user's own model may read any key
            of_peers = model_keys(*self.parts.peers) - model_keys(self.model_class) - recbole_keys() - own_keys().keys()
            values = {key: value for key, value in values.items() if key not in of_peers}
        return plain_value(values)

    @functools.cached_property
    def _plain_peers(self) -> list[dict[str, Any]]:
        """The resolved keys of each peer, which the given keys determine."""
        return [self._resolved(peer) for peer in self.peer_configs()]

    def _resolved(self, peer: ModelConfig) -> dict[str, Any]:
        own = {*model_keys(peer.model_class), *PEER_TRAINING_KEYS, *self._peer_keys()}
        return {key: peer[key] for key in sorted(own) if key in peer}
