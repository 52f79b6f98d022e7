"""Your own sequential recommender: the mean of the last few items with learned weights.

    cd examples/own_model
    run_recbole_mdcns --model=last_items:LastItems --dataset=ml-100k --epochs=2
    run_recbole_mdcns --model=SASRec --peer_model=last_items:LastItems --dataset=ml-100k --peer.window=3

Its keys are in ``LastItems.yaml`` next to this file. Training needs ``forward(item_seq, item_seq_len)`` and RecBole's
``full_sort_predict``. How the scores follow from the states is measured; nothing has to be declared.
"""

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from torch import nn


class LastItems(SequentialRecommender):
    """Scores items by the inner product with a weighted mean of the last ``window`` items."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.window = config["window"]
        self.item_embedding = nn.Embedding(self.n_items, config["embedding_size"], padding_idx=0)
        self.weight = nn.Parameter(torch.zeros(self.window))
        nn.init.normal_(self.item_embedding.weight, std=0.02)

    def forward(self, item_seq, item_seq_len):
        """Return the weighted mean of the last items of each row, shape [B, H]."""
        back = torch.arange(self.window, device=item_seq.device)
        position = item_seq_len[:, None] - 1 - back  # [B, window], the newest item first
        items = item_seq.gather(1, position.clamp(min=0)) * (position >= 0)
        weight = torch.softmax(self.weight, dim=0) * (items > 0)
        return (weight.unsqueeze(-1) * self.item_embedding(items)).sum(1)

    def full_sort_predict(self, interaction):
        """Return the scores of all items, shape [B, V + 1]."""
        state = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return state @ self.item_embedding.weight.T
