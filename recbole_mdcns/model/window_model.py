"""Backbones whose states depend on the whole window, including padding and later items: FMLP4Rec, LinRec."""

from __future__ import annotations

import torch
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.model.layers import FeedForward
from torch import Tensor, nn

from recbole_mdcns.model.item_sequence import ItemSequenceModel


class WindowModel(ItemSequenceModel):
    """Item and position embeddings, then blocks of a mixer and RecBole's point-wise feed-forward.

    Such a model is neither causal nor trimmable: each prefix needs a separate pass over the whole window. Training
    reads only the last state of a pass, and the last block computes only this state: its mixer reads all positions and
    returns one.

    Subclasses define :meth:`make_mixer`. A mixer maps states [B, L, H], and ``position`` [B] or None, to the mixed
    states at that position, [B, 1, H], or at all positions, [B, L, H].

    Args:
        config: Keys ``n_layers``, ``hidden_size``, ``inner_size``, ``hidden_dropout_prob``, ``hidden_act``,
            ``layer_norm_eps``, ``initializer_range``, ``loss_type``, ``MAX_ITEM_LIST_LENGTH``.
        dataset: Gives the number of items.
    """

    def __init__(self, config: Config, dataset: Dataset):
        super().__init__(config, dataset)
        eps, dropout = config["layer_norm_eps"], config["hidden_dropout_prob"]
        self.position_embedding = nn.Embedding(self.max_seq_length, self.hidden_size)
        self.LayerNorm = nn.LayerNorm(self.hidden_size, eps=eps)
        self.dropout = nn.Dropout(dropout)
        self.mixers = nn.ModuleList(self.make_mixer(config) for _ in range(config["n_layers"]))
        self.feed_forwards = nn.ModuleList(
            FeedForward(self.hidden_size, config["inner_size"], dropout, config["hidden_act"], eps) for _ in self.mixers
        )
        self.apply(self._init_weights)

    def make_mixer(self, config: Config) -> nn.Module:
        """Return a new mixer."""
        raise NotImplementedError

    def embedded(self, item_seq: Tensor) -> Tensor:
        """Return the input of the first block for padded histories [B, L], shape [B, L, H]."""
        position = torch.arange(item_seq.size(1), device=item_seq.device)
        return self.dropout(self.LayerNorm(self.item_embedding(item_seq) + self.position_embedding(position)))

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Return the state at position ``item_seq_len - 1`` of padded histories [B, L], shape [B, H]."""
        states = self.embedded(item_seq)
        for number, (mixer, feed_forward) in enumerate(zip(self.mixers, self.feed_forwards), start=1):
            states = feed_forward(mixer(states, item_seq_len - 1 if number == len(self.mixers) else None))
        return states.squeeze(1)


def states_at(states: Tensor, position: Tensor | None) -> Tensor:
    """Return the states [B, L, H] at positions [B], shape [B, 1, H]; all states if the position is None."""
    if position is None:
        return states
    return states[torch.arange(states.size(0), device=states.device), position].unsqueeze(1)
