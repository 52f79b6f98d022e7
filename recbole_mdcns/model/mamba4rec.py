"""Mamba4Rec: selective state spaces instead of attention."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.model.layers import FeedForward
from torch import Tensor, nn

from recbole_mdcns.kernels.causal_conv import causal_convolution
from recbole_mdcns.kernels.scan_choice import Form, choose_scan
from recbole_mdcns.kernels.selective_scan import selective_scan
from recbole_mdcns.model.item_sequence import ItemSequenceModel


class MambaMixer(nn.Module):
    """Mamba's selective state space block (Gu and Dao, 2023): gate, short causal convolution, selective scan.

    Args:
        hidden_size: H.
        state_size: States S per channel.
        conv_size: Positions of the convolution.
        expand: Channels D per hidden feature.
        scan: The selective scan, a function or a ``Scan``.
    """

    def __init__(self, hidden_size: int, state_size: int, conv_size: int, expand: int, scan: Form = selective_scan):
        super().__init__()
        self.scan = scan
        self.channel_num = expand * hidden_size
        self.state_size = state_size
        self.dt_rank = math.ceil(hidden_size / 16)
        self.in_proj = nn.Linear(hidden_size, 2 * self.channel_num, bias=False)
        self.conv1d = nn.Conv1d(
            self.channel_num, self.channel_num, conv_size, groups=self.channel_num, padding=conv_size - 1
        )
        self.x_proj = nn.Linear(self.channel_num, self.dt_rank + 2 * state_size, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.channel_num)
        self.A_log = nn.Parameter(torch.arange(1.0, state_size + 1).log().repeat(self.channel_num, 1))
        self.D = nn.Parameter(torch.ones(self.channel_num))
        self.out_proj = nn.Linear(self.channel_num, hidden_size, bias=False)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Mix states along the sequence.

        Args:
            states: Shape [B, L, H].
            real: True where a position holds an item, shape [B, L]. Padding feeds nothing into the convolution and
                takes steps of size 0: it changes no state, on either side.

        Returns:
            Shape [B, L, H].
        """
        mask = real.unsqueeze(-1).to(states.dtype)
        x, gate = self.in_proj(states).chunk(2, dim=-1)  # [B, L, D] each
        x = F.silu(self._convolve(x * mask))
        dt, B, C = self.x_proj(x).split([self.dt_rank, self.state_size, self.state_size], dim=-1)
        dt = F.softplus(self.dt_proj(dt)) * mask
        y = self.scan(x, dt, -self.A_log.float().exp(), B, C) + self.D * x
        return self.out_proj(y * F.silu(gate))

    def _convolve(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu":
            assert self.conv1d.bias is not None
            return causal_convolution(x, self.conv1d.weight, self.conv1d.bias)
        return self.conv1d(x.transpose(1, 2))[..., : x.size(1)].transpose(1, 2)


class MambaLayer(nn.Module):
    """A mixer, dropout and norm, with a residual connection if there are several layers, and RecBole's feed-forward."""

    def __init__(self, mixer: MambaMixer, hidden_size: int, dropout_prob: float, residual: bool, layer_norm_eps: float):
        super().__init__()
        self.mixer = mixer
        self.residual = residual
        self.dropout = nn.Dropout(dropout_prob)
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.feed_forward = FeedForward(hidden_size, 4 * hidden_size, dropout_prob, "gelu", layer_norm_eps)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return states [B, L, H] from states [B, L, H]; ``real`` as in :class:`MambaMixer`."""
        mixed = self.dropout(self.mixer(states, real))
        return self.feed_forward(self.LayerNorm(mixed + states if self.residual else mixed))


class Mamba4Rec(ItemSequenceModel):
    """Mamba for sequential recommendation (Liu et al., 2024). Causal; padding on either side changes no state.

    As in the authors' code, all linear maps are drawn from a normal distribution, the bias of the step sizes starts at
    0, and there are no position embeddings. A mixer has a residual connection only if there are two or more layers.

    Args:
        config: Keys of ``properties/model/Mamba4Rec.yaml``.
        dataset: Gives the number of items.
    """

    def __init__(self, config: Config, dataset: Dataset):
        super().__init__(config, dataset)
        size, eps, dropout = self.hidden_size, config["layer_norm_eps"], config["dropout_prob"]
        self.LayerNorm = nn.LayerNorm(size, eps=eps)
        self.dropout = nn.Dropout(dropout)
        layer_num = config["num_layers"]
        scan = choose_scan(config["device"], config["compile_scan"])
        self.layers = nn.ModuleList(
            MambaLayer(
                MambaMixer(size, config["d_state"], config["d_conv"], config["expand"], scan),
                size,
                dropout,
                layer_num > 1,
                eps,
            )
            for _ in range(layer_num)
        )
        self.apply(self._init_weights)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Return the state at position ``item_seq_len - 1`` of padded histories [B, L], shape [B, H]."""
        states = self.LayerNorm(self.dropout(self.item_embedding(item_seq)))
        for layer in self.layers:
            states = layer(states, item_seq > 0)
        return self.gather_indexes(states, item_seq_len - 1)
