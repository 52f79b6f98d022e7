"""The models that a run trains: its self model, and the peers that its strategy needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.encoder.selftest import measure_scoring_model
from recbole_mdcns.errors import ConfigError


def measure_models(
    config: MDCNSConfig,
    model: SequentialRecommender,
    peers: Sequence[SequentialRecommender],
    peer_configs: Sequence[Any],
) -> list[ScoringModel]:
    """Return the scoring models of a run, the self model's first.

    Args:
        config: The run.
        model: The self model.
        peers: The peers.
        peer_configs: The peers' configurations; the default is to make them from ``config``.

    Raises:
        ConfigError: Two of the models share parameters, the number of peers or of their configurations is not that of
            the run, or a model cannot be trained.
    """
    seen: set[int] = set()
    for each in (model, *peers):
        if not any(parameter.requires_grad for parameter in each.parameters()):
            raise ConfigError(f"{type(each).__name__} cannot be trained: none of its weights has a gradient")
        own = {id(parameter) for parameter in each.parameters()}
        if own & seen:
            raise ConfigError(
                f"self and peer share parameters (one is a {type(each).__name__}): the peer must be another "
                "instance, for example a second one of the same class"
            )
        seen |= own
    roles = config.peer_roles
    if len(peers) != len(roles):
        raise ConfigError(
            f"{len(peers)} peers were given, and the run trains {len(roles)}, as neg_sampler, ranking_loss and "
            "peer_model say"
        )
    configs = peer_configs or (config.peer_configs() if peers else ())
    if len(configs) != len(peers):
        raise ConfigError(f"{len(configs)} peer_configs were given for {len(peers)} peers: give one for each, or none")
    triples = [(model, config, "self"), *zip(peers, configs, roles)]
    return [measure_scoring_model(each, of_model, role) for each, of_model, role in triples]
