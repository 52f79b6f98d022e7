"""Scalable cross-entropy: softmax over the items that lie near a state.

Letters: T targets, V items, H hidden size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.encoder.scoring_model import InnerProductModel, ScoringModel
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses.base import CatalogueLoss


def sce(
    encoding: Tensor,
    item_table: Tensor,
    target: Tensor,
    bucket_num: int,
    bucket_states: int,
    bucket_items: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Scalable cross-entropy (Mezentsev et al., RecSys 2024): softmax over the items that lie near a state.

    Random mixtures of the states give directions. The states and the items with the largest inner products with a
    direction are its bucket. The cross-entropy of a state in a bucket is over the bucket's items and its target. Of the
    losses of a state in several buckets the largest counts.

    Args:
        encoding: States, shape [T, H].
        item_table: Item embeddings, shape [V + 1, H]; row 0 is the padding and is ignored.
        target: Item ids, shape [T].
        bucket_num: Number of directions.
        bucket_states: States in a bucket, at most T.
        bucket_items: Items in a bucket, at most V.
        generator: Random generator of the directions, on the device of ``encoding``.

    Returns:
        Losses of the states that are in some bucket, shape [at most T].
    """
    items = item_table[1:]
    bucket_states, bucket_items = min(bucket_states, len(encoding)), min(bucket_items, len(items))
    with torch.no_grad():
        mixture = torch.randn(bucket_num, len(encoding), generator=generator, device=encoding.device)
        direction = mixture.to(encoding.dtype) @ encoding  # [buckets, H]
        state = (direction @ encoding.T).topk(bucket_states, dim=1).indices  # [buckets, states]
        item = (direction @ items.T).topk(bucket_items, dim=1).indices  # [buckets, items]
        is_target = item[:, None] + 1 == target[state][:, :, None]
    logits = encoding[state] @ items[item].transpose(1, 2)  # [buckets, states, items]
    own = (encoding * F.embedding(target, item_table)).sum(1)[state]  # [buckets, states]
    total = torch.cat([logits.masked_fill(is_target, -math.inf), own[:, :, None]], dim=2).logsumexp(2)
    losses = (total - own).reshape(-1)
    largest = losses.new_full((len(encoding),), -math.inf).scatter_reduce(0, state.view(-1), losses, "amax")
    return largest[largest > -math.inf]


class ScalableCrossEntropy(CatalogueLoss):
    """The mean of :func:`sce` with ``2 sqrt(T)`` buckets of ``2 sqrt(T)`` states, as in the authors' code."""

    is_mean = False

    def __init__(self, config: Config, item_num: int, device: torch.device):
        super().__init__(config, item_num, device)
        self.bucket_items = config["sce_bucket_items"]

    def check_model(self, scoring_model: ScoringModel) -> None:
        """Refuse models whose scores are not inner products: buckets are found by the items' embeddings.

        Raises:
            ConfigError: Names the loss and the model.
        """
        if not isinstance(scoring_model, InnerProductModel):
            raise ConfigError(
                f"ranking_loss = 'SCE' is not allowed with {scoring_model.role} model "
                f"{type(scoring_model.model).__name__}: its scores are not inner products"
            )

    def __call__(self, scoring_model: ScoringModel, encoding: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the states that are in some bucket, a scalar."""
        assert isinstance(scoring_model, InnerProductModel)
        bucket_num = int(2 * math.sqrt(len(target)))
        table = scoring_model.item_table[: scoring_model.model.n_items]
        return sce(
            scoring_model.as_states(encoding), table, target, bucket_num, bucket_num, self.bucket_items, self.generator
        ).mean()
