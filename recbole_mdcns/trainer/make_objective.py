"""From keys to the objective of a run."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import CatalogueLoss, LossOfNegatives, resolve_loss
from recbole_mdcns.negatives import resolve_strategy
from recbole_mdcns.trainer.catalogue_objective import CatalogueObjective
from recbole_mdcns.trainer.negatives_objective import NegativesObjective
from recbole_mdcns.trainer.objective import Objective


def make_objective(config: MDCNSConfig, scoring_models: Sequence[ScoringModel]) -> Objective:
    """Return the objective that ``ranking_loss`` and ``neg_sampler`` name.

    Raises:
        ConfigError: The loss cannot train one of the models, or is neither on negatives nor over the catalogue.
    """
    device, item_num = config["device"], scoring_models[0].model.n_items - 1
    loss = resolve_loss(config["ranking_loss"])(config, item_num, device)
    if isinstance(loss, CatalogueLoss):
        return CatalogueObjective(config, loss, scoring_models)
    if isinstance(loss, LossOfNegatives):
        strategy = resolve_strategy(config["neg_sampler"])(config, device)
        return NegativesObjective(config, loss, scoring_models, strategy)
    raise ConfigError(
        f"ranking_loss = {config['ranking_loss']!r} is not allowed: {type(loss).__name__} is neither a LossOfNegatives "
        "nor a CatalogueLoss"
    )
