"""The base of our backbones: an item table, one state per position, and RecBole's interface to both."""

from __future__ import annotations

from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.model.loss import BPRLoss
from torch import Tensor, nn


class ItemSequenceModel(SequentialRecommender):
    """A sequential recommender that scores items by the inner product of its last state and their embeddings.

    Subclasses build their layers, call ``self.apply(self._init_weights)``, and define RecBole's ``forward``.
    Works with RecBole's own trainer (``loss_type`` CE or BPR) as well as with ours.

    Args:
        config: Keys ``hidden_size``, ``initializer_range``, ``loss_type``.
        dataset: Gives the number of items.
    """

    def __init__(self, config: Config, dataset: Dataset):
        super().__init__(config, dataset)
        self.hidden_size = config["hidden_size"]
        self.initializer_range = config["initializer_range"]
        self.loss_type = config["loss_type"]
        if self.loss_type not in ("CE", "BPR"):
            raise NotImplementedError(f"loss_type = {self.loss_type!r} is not allowed: choose CE or BPR")
        self.loss_fct = nn.CrossEntropyLoss() if self.loss_type == "CE" else BPRLoss()
        self.item_embedding = nn.Embedding(self.n_items, self.hidden_size, padding_idx=0)

    def _init_weights(self, module: nn.Module) -> None:
        """Draw weights from a normal distribution, set biases to 0 and norms to 1."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.initializer_range)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if isinstance(module, (nn.Linear, nn.LayerNorm)) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """Return the mean loss of a batch, by ``loss_type``; BPR reads RecBole's sampled negatives."""
        state = self._state(interaction)
        target = interaction[self.POS_ITEM_ID]
        if self.loss_type == "CE":
            return self.loss_fct(state @ self.item_embedding.weight.T, target)
        scores = [(state * self.item_embedding(items)).sum(1) for items in (target, interaction[self.NEG_ITEM_ID])]
        return self.loss_fct(*scores)

    def predict(self, interaction: Interaction) -> Tensor:
        """Return the score of one item per row, shape [B]."""
        return (self._state(interaction) * self.item_embedding(interaction[self.ITEM_ID])).sum(1)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Return the scores of all items, shape [B, V + 1]."""
        return self._state(interaction) @ self.item_embedding.weight.T

    def _state(self, interaction: Interaction) -> Tensor:
        return self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
