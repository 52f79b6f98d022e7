"""FMLP4Rec: filters in the frequency domain instead of attention."""

from __future__ import annotations

import torch
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.model.layers import FeedForward
from torch import Tensor, nn

from recbole_mdcns.model.item_sequence import ItemSequenceModel


class FilterLayer(nn.Module):
    """A learned filter over the whole window: transform, multiply, transform back, dropout, residual norm.

    Multiplying in the frequency domain is a circular convolution over the L positions, so every position sees all
    of them, padding and later items included. The filter belongs to a window of one length.

    Args:
        max_seq_length: Length L of the window.
        hidden_size: H.
        dropout_prob: Dropout rate of the filtered states.
        layer_norm_eps: Added to the variance in the norm.
    """

    def __init__(self, max_seq_length: int, hidden_size: int, dropout_prob: float, layer_norm_eps: float):
        super().__init__()
        self.max_seq_length = max_seq_length
        frequencies = max_seq_length // 2 + 1
        # Real and imaginary part; small at the start, as in the authors' code.
        self.complex_weight = nn.Parameter(torch.randn(frequencies, hidden_size, 2) * 0.02)
        self.out_dropout = nn.Dropout(dropout_prob)
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)

    def forward(self, states: Tensor) -> Tensor:
        """Filter states [B, L, H] into the same shape.

        Raises:
            ValueError: The window has another length than the filter.
        """
        if states.size(1) != self.max_seq_length:
            raise ValueError(f"a filter of {self.max_seq_length} positions cannot read a window of {states.size(1)}")
        spectrum = torch.fft.rfft(states.float(), dim=1, norm="ortho")  # [B, L // 2 + 1, H]
        spectrum = spectrum * torch.view_as_complex(self.complex_weight.float())
        filtered = torch.fft.irfft(spectrum, n=self.max_seq_length, dim=1, norm="ortho").to(states.dtype)
        return self.LayerNorm(self.out_dropout(filtered) + states)


class FMLP4Rec(ItemSequenceModel):
    """Filter-enhanced MLP for sequential recommendation (Zhou et al., WWW 2022).

    Item and position embeddings, then blocks of :class:`FilterLayer` and RecBole's point-wise feed-forward. Not
    causal, and not to be trimmed: a prefix needs a pass of its own over the whole window. The authors pad on the left
    (``pad_side: left``), which keeps the newest item at the last position of the filter.

    Args:
        config: Keys of ``properties/model/FMLP4Rec.yaml``, and ``MAX_ITEM_LIST_LENGTH``.
        dataset: Gives the number of items.
    """

    def __init__(self, config: Config, dataset: Dataset):
        super().__init__(config, dataset)
        eps, dropout = config["layer_norm_eps"], config["hidden_dropout_prob"]
        self.position_embedding = nn.Embedding(self.max_seq_length, self.hidden_size)
        self.LayerNorm = nn.LayerNorm(self.hidden_size, eps=eps)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                FilterLayer(self.max_seq_length, self.hidden_size, dropout, eps),
                FeedForward(self.hidden_size, config["inner_size"], dropout, config["hidden_act"], eps),
            )
            for _ in range(config["n_layers"])
        )
        self.apply(self._init_weights)

    def hidden_states(self, item_seq: Tensor) -> Tensor:
        """Return the state at every position of padded histories [B, L], shape [B, L, H]."""
        position = torch.arange(item_seq.size(1), device=item_seq.device)
        states = self.dropout(self.LayerNorm(self.item_embedding(item_seq) + self.position_embedding(position)))
        for block in self.blocks:
            states = block(states)
        return states
