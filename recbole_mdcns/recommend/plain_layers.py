"""Layers in forms that can be exported: the same results from operators that every runtime has.

Training uses a Fourier transform, a scan in chunks and a convolution by taps, which are fast and have their own
backward pass. ONNX has no such functions. The forms of this file use products and sums only, and no step of Python
depends on the number of rows or on the length of a sequence.
"""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_mdcns.model.fmlp4rec import FilterLayer
from recbole_mdcns.model.mamba4rec import MambaMixer
from recbole_mdcns.model.window_model import states_at


class CirculantFilter(nn.Module):
    """A :class:`FilterLayer` without a Fourier transform: a product with a circulant matrix per feature."""

    def __init__(self, layer: FilterLayer):
        super().__init__()
        length = layer.max_seq_length
        response = torch.fft.irfft(torch.view_as_complex(layer.complex_weight.detach().float()), n=length, dim=0)
        lag = (torch.arange(length)[:, None] - torch.arange(length)) % length  # [L, L]
        self.matrix = nn.Parameter(response[lag].permute(2, 0, 1).contiguous(), requires_grad=False)  # [H, L, L]
        self.LayerNorm = layer.LayerNorm

    def forward(self, states: Tensor, position: Tensor | None = None) -> Tensor:
        """See :meth:`FilterLayer.forward`."""
        filtered = (self.matrix @ states.permute(2, 1, 0)).permute(2, 1, 0)  # [B, L, H]
        return self.LayerNorm(states_at(filtered, position) + states_at(states, position))


class PlainMambaMixer(MambaMixer):
    """A :class:`MambaMixer` with torch's own convolution."""

    def _convolve(self, x: Tensor) -> Tensor:
        return self.conv1d(x.transpose(1, 2))[..., : x.size(1)].transpose(1, 2)


def scan_by_doubling(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, length: int) -> Tensor:
    """Scan up to ``length`` positions as :func:`selective_scan`, the reach doubling by step; holds [B, L, D, S]."""
    factors = torch.exp(dt.unsqueeze(3) * A)  # [B, L, D, S]
    states = (dt * x).unsqueeze(3) * B.unsqueeze(2)
    reach = 1  # a state has the inputs of this many positions
    while reach < length:
        states = states + factors * _earlier(states, reach, 0.0)
        factors = factors * _earlier(factors, reach, 1.0)
        reach *= 2
    return (states @ C.unsqueeze(3)).squeeze(3)


def _earlier(values: Tensor, back: int, before: float) -> Tensor:
    """Return the values of some positions earlier, shape [B, L, D, S]; ``before`` the first there is a constant."""
    return F.pad(values, (0, 0, 0, 0, back, 0), value=before)[:, : values.size(1)]


def plain_copy(model: nn.Module, length: int) -> nn.Module:
    """Return a copy of a model in evaluation mode, with the layers of this file, for at most ``length`` positions."""
    copied = copy.deepcopy(model).eval()
    for parent in list(copied.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, FilterLayer):
                setattr(parent, name, CirculantFilter(layer))
            elif isinstance(layer, MambaMixer):
                layer.__class__ = PlainMambaMixer
                layer.scan = partial(scan_by_doubling, length=length)
    return copied
