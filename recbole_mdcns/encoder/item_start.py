"""Item embeddings that begin with another standard deviation than the model's own."""

from __future__ import annotations

import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.encoder.adapt import make_scoring_model
from recbole_mdcns.encoder.scoring_model import InnerProductModel
from recbole_mdcns.errors import ConfigError


@torch.no_grad()
def start_items(model: SequentialRecommender, config: ModelConfig) -> None:
    """Draw the item table of a new model again, from a normal distribution with deviation ``item_init_range``.

    The padding row is zero. The draws go on in the random stream that the model's own weights came from, on the CPU:
    self and peer get different tables, and every device gets the same.

    gSASRec (Petrov and Macdonald, RecSys 2023) leaves its table as torch's ``Embedding`` makes it, with deviation 1;
    most models of RecBole take 0.02.

    Raises:
        ConfigError: It does not rank by inner products with an item table.
    """
    scoring_model = make_scoring_model(model, config, "self or peer")
    if not isinstance(scoring_model, InnerProductModel):
        raise ConfigError(
            f"item_init_range = {config['item_init_range']!r} is not allowed with model {config['model']}, which does "
            "not rank by inner products with one item table: leave it out"
        )
    table = scoring_model.item_table
    table.copy_(config["item_init_range"] * torch.randn(table.shape))
    table[0] = 0.0
