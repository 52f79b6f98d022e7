"""Faster replacements for layers of RecBole's models, with the same results."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from recbole.model.layers import FeedForward
from torch import Tensor, nn

#: Dropout rates are rounded to multiples of 1 / this.
_STEPS = 2**16


def fuse_layers(model: nn.Module) -> None:
    """Replace the layers of one model by faster forms; other models, even of the same class, do not change.

    RecBole's ``FeedForward`` computes its activations operation by operation. torch's own GELU and SiLU take half the
    time, and are equal up to rounding. ``Dropout`` becomes :class:`QuickDropout`, which a debugger then shows; with
    ``fuse_layers=False`` no layer changes. ``benchmarks/speed/speed_kernels.py`` measures both.
    """
    for layer in model.modules():
        if isinstance(layer, FeedForward):
            fused = {layer.gelu: F.gelu, layer.swish: F.silu}
            layer.intermediate_act_fn = fused.get(layer.intermediate_act_fn, layer.intermediate_act_fn)
        elif type(layer) is nn.Dropout and not layer.inplace:
            layer.__class__ = QuickDropout


class QuickDropout(nn.Dropout):
    """Dropout that takes four random decisions from each random number on a CPU, where random numbers cost the most.

    Its rate is rounded to a multiple of 1 / 65,536. Kept elements are scaled by the rounded rate, and the expected
    value is the input. The decisions differ from torch's with the same seed, and have the same distribution.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the input, with elements set to 0 at the rate ``p`` in training; same shape."""
        dropped = round(self.p * _STEPS)
        if not self.training or input.device.type != "cpu" or dropped in (0, _STEPS):
            return super().forward(input)
        number = input.numel()
        draws = torch.empty(-(-number // 4), dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.int16)[:number].view(input.shape) >= dropped - _STEPS // 2
        return input * keep.to(input.dtype).mul_(_STEPS / (_STEPS - dropped))
