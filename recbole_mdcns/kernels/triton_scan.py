"""The selective scan as two Triton kernels, for a GPU. Imported only where Triton is installed.

Formula and letters are those of ``selective_scan``. A program takes one row and a block of channels. Forward it holds
their states in registers, walks over the positions, and keeps the states before and after each for the backward pass,
R (L + 1) D S numbers, if a gradient is wanted. Backward it walks the other way. With g the gradient of y, and w that of
the states:

    w_t = C_t g_t + exp(dt_(t+1) A) w_(t+1),    e_t = w_t exp(dt_t A) h_(t-1),    u_t = sum_n B_t w_t
    gradients:  C_t: sum_d h_t g_t    B_t: sum_d w_t dt_t x_t    x_t: u_t dt_t    dt_t: u_t x_t + sum_n e_t A
                A: sum_t e_t dt_t

Where several programs add to one result, each writes its own part and torch sums the parts: equal inputs give bitwise
equal results. Nothing waits for the GPU, and all memory is torch's, so both passes can be captured in a CUDA graph once
they have run: the first run compiles the kernels, one version per types, channels and states.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Channels times states of a program: 16 numbers of a state for each of the 32 threads.
_NUMBERS = 512
#: Sizes that change from batch to batch: no version of a kernel is compiled for some of their values.
_SIZES = ["length", "x_step", "dt_step", "B_step", "C_step"]


@triton.jit
def _load(tensor, place, real, kind: tl.constexpr):
    return tl.load(tensor + place, mask=real, other=0.0).to(kind)


@triton.jit(do_not_specialize=_SIZES)
def _forward(
    x, dt, A, B, C, y, kept, length, x_step, dt_step, B_step, C_step,
    CHANNELS: tl.constexpr, STATES: tl.constexpr, BLOCK: tl.constexpr, WIDTH: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    kind: tl.constexpr = A.dtype.element_ty
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    state = tl.arange(0, WIDTH)
    of_channels, of_states = channel < CHANNELS, state < STATES
    of_both = of_channels[:, None] & of_states[None, :]
    place = channel[:, None] * STATES + state[None, :]
    rates = _load(A, place, of_both, kind)
    h = tl.zeros((BLOCK, WIDTH), kind)
    row = tl.program_id(0).to(tl.int64)
    kept += row * (length + 1) * CHANNELS * STATES + place
    if KEEP:
        tl.store(kept, h, mask=of_both)
    for t in range(length):
        at = row * length + t
        x_t = _load(x, at * x_step + channel, of_channels, kind)
        dt_t = _load(dt, at * dt_step + channel, of_channels, kind)
        B_t = _load(B, at * B_step + state, of_states, kind)
        C_t = _load(C, at * C_step + state, of_states, kind)
        h = tl.exp(dt_t[:, None] * rates) * h + (dt_t * x_t)[:, None] * B_t[None, :]
        if KEEP:
            tl.store(kept + (t + 1) * CHANNELS * STATES, h, mask=of_both)
        tl.store(y + at * CHANNELS + channel, tl.sum(h * C_t[None, :], 1), mask=of_channels)


@triton.jit(do_not_specialize=["g_step", "rows", *_SIZES])
def _backward(
    g, x, dt, A, B, C, kept, grad_x, grad_dt, parts_BC, parts_A, rows, length, g_step, x_step, dt_step, B_step, C_step,
    CHANNELS: tl.constexpr, STATES: tl.constexpr, BLOCK: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    kind: tl.constexpr = A.dtype.element_ty
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = block * BLOCK + tl.arange(0, BLOCK)
    state = tl.arange(0, WIDTH)
    of_channels, of_states = channel < CHANNELS, state < STATES
    of_both = of_channels[:, None] & of_states[None, :]
    place = channel[:, None] * STATES + state[None, :]
    rates = _load(A, place, of_both, kind)
    w = tl.zeros((BLOCK, WIDTH), kind)
    sum_A = tl.zeros((BLOCK, WIDTH), kind)
    kept += row * (length + 1) * CHANNELS * STATES
    of_B = parts_BC + 2 * block.to(tl.int64) * rows * length * STATES  # parts [blocks, 2, R, L, S]: B's, then C's
    of_C = of_B + rows * length * STATES
    h = _load(kept, length * CHANNELS * STATES + place, of_both, kind)
    for i in range(length):
        t = length - 1 - i
        at = row * length + t
        g_t = _load(g, at * g_step + channel, of_channels, kind)
        x_t = _load(x, at * x_step + channel, of_channels, kind)
        dt_t = _load(dt, at * dt_step + channel, of_channels, kind)
        B_t = _load(B, at * B_step + state, of_states, kind)
        C_t = _load(C, at * C_step + state, of_states, kind)
        before = _load(kept, t * CHANNELS * STATES + place, of_both, kind)
        w += g_t[:, None] * C_t[None, :]
        tl.store(of_C + at * STATES + state, tl.sum(h * g_t[:, None], 0), mask=of_states)
        tl.store(of_B + at * STATES + state, tl.sum(w * (dt_t * x_t)[:, None], 0), mask=of_states)
        u = tl.sum(w * B_t[None, :], 1)
        w *= tl.exp(dt_t[:, None] * rates)  # now that of h_(t-1), as far as it comes through h_t
        e = w * before
        sum_A += e * dt_t[:, None]
        tl.store(grad_x + at * CHANNELS + channel, u * dt_t, mask=of_channels)
        tl.store(grad_dt + at * CHANNELS + channel, u * x_t + tl.sum(e * rates, 1), mask=of_channels)
        h = before
    tl.store(parts_A + row * CHANNELS * STATES + place, sum_A, mask=of_both)


def triton_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Run the recurrence over all positions on a GPU; arguments and result as in ``selective_scan``.

    Any strides will do; only tensors whose last dimension is spread out are copied. There is no second derivative.

    Returns:
        y, shape [R, L, D], in the type of ``x``; computed in float32 or wider.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, dt, A, B, C))
    return _TritonScan.apply(x, dt, A.to(wide), B, C, keep)


class _TritonScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, keep: bool) -> Tensor:
        rows, length, _ = x.shape
        A = A.contiguous()
        inputs = [_by_position(tensor) for tensor in (x, dt, B, C)]
        x_, dt_, B_, C_ = inputs
        y = x.new_empty(x.shape)
        kept = A.new_empty(rows, length + 1, *A.shape) if keep else A  # then nothing is written to it
        steps = [tensor.stride(0) for tensor in inputs]
        blocks, sizes = _blocks(A)
        with torch.cuda.device_of(x):  # none on a CPU
            _forward[rows, blocks](x_, dt_, A, B_, C_, y, kept, length, *steps, *sizes, keep, num_warps=1)
        ctx.save_for_backward(*inputs, A, kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, dt, B, C, A, kept = ctx.saved_tensors
        shape, g = grad_outputs[0].shape, _by_position(grad_outputs[0])
        rows, length, _ = shape
        blocks, sizes = _blocks(A)
        grad_x, grad_dt = x.new_empty(shape), dt.new_empty(shape)
        parts_BC, parts_A = A.new_empty(blocks, 2, rows, length, A.size(1)), A.new_empty(rows, *A.shape)
        steps = [tensor.stride(0) for tensor in (g, x, dt, B, C)]
        with torch.cuda.device_of(x):
            _backward[rows, blocks](
                g, x, dt, A, B, C, kept, grad_x, grad_dt, parts_BC, parts_A, rows, length, *steps, *sizes, num_warps=1
            )
        grad_B, grad_C = parts_BC.sum(0)
        return grad_x, grad_dt, parts_A.sum(0), grad_B.to(B.dtype), grad_C.to(C.dtype), None


def _by_position(tensor: Tensor) -> Tensor:
    """Return [R, L, N] as [R L, N] with neighbours in the last dimension; a view where there is one."""
    flat = tensor.reshape(-1, tensor.size(2))
    return flat if flat.stride(1) == 1 else flat.contiguous()


def _blocks(A: Tensor) -> tuple[int, tuple[int, int, int, int]]:
    """Return the number of blocks of channels, and D, S, the channels of a block and the states of a program."""
    channels, states = A.shape
    width = triton.next_power_of_2(states)
    block = max(1, min(32, _NUMBERS // width, triton.next_power_of_2(channels)))
    return triton.cdiv(channels, block), (channels, states, block, width)
