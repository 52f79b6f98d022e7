"""From a model's scores to its loss: on the negatives that a strategy chose, or over the whole catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.encoder.encoder import Encoder, InnerProductEncoder
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.full_softmax import mean_cross_entropy
from recbole_mdcns.losses.listwise import cross_entropy, gbce, sampled_softmax
from recbole_mdcns.losses.pairwise import PAIRWISE_LOSSES
from recbole_mdcns.losses.sce import sce
from recbole_mdcns.negatives import Negatives

CatalogueLoss = Callable[[Encoder, Tensor, Tensor], Tensor]


class NegativesLoss:
    """``ranking_loss`` on negatives: BCE and BPR of each, SSM and gBCE of all together.

    Args:
        config: The run.
        item_num: V.
    """

    def __init__(self, config: Config, item_num: int):
        name = config["ranking_loss"]
        self.pairwise = PAIRWISE_LOSSES.get(name)
        self.gbce = partial(gbce, item_num=item_num, calibration=config["gbce_calibration"]) if name == "gBCE" else None
        self.corrected = config["logq_correction"] if name == "SSM" else False

    def __call__(self, positive: Tensor, chosen: Negatives, index: int) -> tuple[Tensor, Tensor]:
        """Return the mean losses of a model and their weights.

        Args:
            positive: The model's scores of the targets, shape [T].
            chosen: The negatives.
            index: Which model it is.

        Returns:
            One of each for each of the K negatives, or one for all together, shape [K] or [1].
        """
        negative = chosen.scores[index]
        if self.pairwise:
            losses = self.pairwise(positive, negative)  # [T, K]
            if chosen.factors is not None:
                losses = losses * chosen.factors
            return losses.mean(0), chosen.weights[index]
        if self.gbce:
            together = self.gbce(positive, negative)
        else:
            together = sampled_softmax(positive, negative, chosen.log_q if self.corrected else None)
        return together.mean(0, keepdim=True), together.new_ones(1)


def make_catalogue_loss(config: Config, generator: torch.Generator) -> CatalogueLoss | None:
    """Return the mean loss of a model over the whole catalogue, from encoder, encodings and targets.

    None where ``ranking_loss`` takes negatives. The generator is that of the buckets of SCE.
    """
    if config["ranking_loss"] == "CE":
        return _over_all_items
    if config["ranking_loss"] != "SCE":
        return None

    def of_buckets(encoder: Encoder, encoding: Tensor, target: Tensor) -> Tensor:
        assert isinstance(encoder, InnerProductEncoder)
        number = int(2 * math.sqrt(len(target)))
        table = encoder.item_table[: encoder.model.n_items]
        return sce(encoding.float(), table, target, number, number, config["sce_bucket_items"], generator).mean()

    return of_buckets


def check_encoder(config: Config, encoder: Encoder) -> None:
    """Refuse, once a model is built, a loss that it cannot be trained with.

    Raises:
        ConfigError: Names the loss and the model.
    """
    if config["ranking_loss"] == "SCE" and not isinstance(encoder, InnerProductEncoder):
        raise ConfigError(
            f"ranking_loss = 'SCE' is not allowed with {encoder.role} model {type(encoder.model).__name__}: its scores "
            "are no inner products"
        )


def _over_all_items(encoder: Encoder, encoding: Tensor, target: Tensor) -> Tensor:
    if isinstance(encoder, InnerProductEncoder):
        return mean_cross_entropy(encoding.float(), encoder.item_table[: encoder.model.n_items], target)
    return cross_entropy(encoder.score_all(encoding), target).mean()
