"""A short causal convolution of each channel, as the sum of its taps.

Mamba convolves each channel over the last few positions. torch's ``Conv1d`` with a group per channel needs the
channels before the positions, and on a CPU it takes two to nine times as long as these few multiply-adds
(``benchmarks/speed/speed_kernels.py``).

Letters: B rows, L positions, D channels, K taps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def causal_convolution(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``y[t] = bias + sum_k weight[K - 1 - k] x[t - k]``, where positions before the first count as 0.

    Args:
        x: Shape [B, L, D].
        weight: As ``Conv1d`` with D groups has it, shape [D, 1, K].
        bias: Shape [D].

    Returns:
        Shape [B, L, D].
    """
    return _CausalConvolution.apply(x, weight, bias)


class _CausalConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        taps = weight[:, 0].t().flip(0).contiguous()  # [K, D], the newest position first
        ctx.save_for_backward(x, taps)
        y = torch.addcmul(bias, x, taps[0])
        for back in range(1, min(len(taps), x.size(1))):
            y[:, back:].addcmul_(x[:, :-back], taps[back])
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (grad,) = grad_outputs
        x, taps = ctx.saved_tensors
        grad_x, grad_taps = grad * taps[0], torch.zeros_like(taps)
        grad_taps[0] = (grad * x).sum((0, 1))
        for back in range(1, min(len(taps), x.size(1))):
            grad_x[:, :-back].addcmul_(grad[:, back:], taps[back])
            grad_taps[back] = (grad[:, back:] * x[:, :-back]).sum((0, 1))
        return grad_x, grad_taps.flip(0).t().unsqueeze(1), grad.sum((0, 1))
