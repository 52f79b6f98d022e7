"""FMLP4Rec: filters in the frequency domain instead of attention."""

from __future__ import annotations

import torch
from recbole.config import Config
from torch import Tensor, nn

from recbole_mdcns.model.window_model import WindowModel, states_at


class FilterLayer(nn.Module):
    """A learned filter over the whole window: transform, multiply, transform back, dropout, residual norm.

    A product in the frequency domain is a circular convolution over the L positions: every position sees all others,
    including padding and later items. A filter fits windows of one length only.

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

    def forward(self, states: Tensor, position: Tensor | None = None) -> Tensor:
        """Filter states [B, L, H] into the same shape, or into [B, 1, H] at the given positions.

        Raises:
            ValueError: The window has another length than the filter.
        """
        if states.size(1) != self.max_seq_length:
            raise ValueError(f"a filter of {self.max_seq_length} positions cannot read a window of {states.size(1)}")
        spectrum = torch.fft.rfft(states.float(), dim=1, norm="ortho")  # [B, L // 2 + 1, H]
        spectrum = spectrum * torch.view_as_complex(self.complex_weight.float())
        filtered = torch.fft.irfft(spectrum, n=self.max_seq_length, dim=1, norm="ortho").to(states.dtype)
        return self.LayerNorm(self.out_dropout(states_at(filtered, position)) + states_at(states, position))


class FMLP4Rec(WindowModel):
    """Filter-enhanced MLP for sequential recommendation (Zhou et al., WWW 2022): the mixers are :class:`FilterLayer`.

    The authors pad on the left (``pad_side: left``), which keeps the newest item at the last position of the filter.

    Args:
        config: Keys of ``properties/model/FMLP4Rec.yaml``, and ``MAX_ITEM_LIST_LENGTH``.
        dataset: Gives the number of items.
    """

    def make_mixer(self, config: Config) -> FilterLayer:
        """Return a new filter."""
        return FilterLayer(
            self.max_seq_length, self.hidden_size, config["hidden_dropout_prob"], config["layer_norm_eps"]
        )
