"""The selective scan of Mamba in plain PyTorch, in chunks of positions, with a backward pass that keeps little.

For every channel d and state n, with step sizes dt, inputs x, and B and C of each position (Gu and Dao, 2023,
B discretised by the Euler rule as in their code):

    h_t = exp(dt_t A) h_(t-1) + dt_t B_t x_t,        y_t = C_t . h_t

All exponentials, outer products and sums are taken for a chunk at once; only one in-place multiply-add is done position
by position. Memory holds one chunk, and one state per chunk for the backward pass, which computes the others again.
``compiled_scan`` has the two functions of a chunk in a form for ``torch.compile``.
``benchmarks/speed/selective_scan.py`` measures both against the plain loop.

Letters: R rows, L positions, D channels, S states, c positions of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


def chunk_outputs(x: Tensor, dt: Tensor, B: Tensor, C: Tensor, A: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs of a chunk, [c, R, D], and the state after it, [R, S, D].

    Args:
        x: Inputs, shape [c, R, D].
        dt: Step sizes, shape [c, R, D].
        B: How an input enters the states, shape [c, R, S].
        C: How the states give an output, shape [c, R, S].
        A: Rates of decay, transposed, shape [S, D].
        before: The state before the chunk, shape [R, S, D].
    """
    _, states = _states(x, dt, B, A, before)
    return (C.unsqueeze(2) @ states).squeeze(2), states[-1].clone()


def chunk_gradients(
    grad: Tensor, x: Tensor, dt: Tensor, B: Tensor, C: Tensor, A: Tensor, before: Tensor, after: Tensor
) -> tuple[Tensor, ...]:
    """Return the gradients of x, dt, B, C and A, and that of the state before the chunk.

    All other arguments are those of :func:`chunk_outputs`.

    Args:
        grad: Gradient of the outputs, shape [c, R, D].
        after: Gradient of the chunk's last state from later chunks, shape [R, S, D].
    """
    factors, states = _states(x, dt, B, A, before)
    grad_C = (states @ grad.unsqueeze(3)).squeeze(3)  # [c, R, S]
    wanted = grad.unsqueeze(2) * C.unsqueeze(3)  # gradient of the states, [c, R, S, D]
    wanted[-1] += after
    for t in range(len(wanted) - 2, -1, -1):
        wanted[t].addcmul_(factors[t + 1], wanted[t + 1])
    grad_before = factors[0] * wanted[0]
    # through the inputs dt B x
    grad_input = (B.unsqueeze(2) @ wanted).squeeze(2)  # [c, R, D]
    grad_B = (wanted @ (dt * x).unsqueeze(3)).squeeze(3)
    # through the exponents dt A
    exponent = factors.mul_(wanted)
    exponent[0] *= before
    exponent[1:] *= states[:-1]
    grad_A = (exponent * dt.unsqueeze(2)).sum((0, 1))
    grad_dt = grad_input * x + (exponent * A).sum(2)
    return grad_input * dt, grad_dt, grad_B, grad_C, grad_A, grad_before


def _states(x: Tensor, dt: Tensor, B: Tensor, A: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the decay factors and the states of a chunk, both [c, R, S, D], from the state before it [R, S, D]."""
    factors = torch.exp_(dt.unsqueeze(2) * A)
    states = (dt * x).unsqueeze(2) * B.unsqueeze(3)
    states[0].addcmul_(factors[0], before)
    for t in range(1, len(states)):
        states[t].addcmul_(factors[t], states[t - 1])
    return factors, states


class Kernels(NamedTuple):
    """How a scan computes a chunk.

    Attributes:
        outputs: :func:`chunk_outputs`, or the same in another form.
        gradients: :func:`chunk_gradients`, likewise.
        chunk: Positions of a chunk, c.
        rows: Rows at a time on a CPU; None for all.
    """

    outputs: Callable[..., tuple[Tensor, ...]]
    gradients: Callable[..., tuple[Tensor, ...]]
    chunk: int
    rows: int | None


#: 64 rows at a time: what a chunk computes stays in the cache.
PLAIN = Kernels(chunk_outputs, chunk_gradients, chunk=5, rows=64)


def selective_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, kernels: Kernels = PLAIN) -> Tensor:
    """Run the recurrence over all positions.

    Args:
        x: Inputs, shape [R, L, D].
        dt: Step sizes, not negative, shape [R, L, D]; a position of step 0 leaves the state as it is.
        A: Rates of decay, negative, shape [D, S].
        B: How an input enters the states, shape [R, L, S].
        C: How the states give an output, shape [R, L, S].
        kernels: How a chunk is computed.

    Returns:
        y, shape [R, L, D], in the type of ``x``; computed in float32 or wider, autocast or not.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    rows = kernels.rows if kernels.rows and x.device.type == "cpu" else len(x)
    with torch.autocast(x.device.type, enabled=False):
        transposed = A.to(wide).T.contiguous()  # [S, D]: channels are contiguous, and all sums run over vectors
        parts = []
        for block in zip(*(tensor.to(wide).split(rows) for tensor in (x, dt, B, C))):
            by_time = (tensor.transpose(0, 1).contiguous() for tensor in block)  # [L, R, .]
            parts.append(_SelectiveScan.apply(*by_time, transposed, kernels).transpose(0, 1))
        return torch.cat(parts).to(x.dtype)


class _SelectiveScan(torch.autograd.Function):
    """The scan on time-major tensors: x, dt [L, R, D]; B, C [L, R, S]; A [S, D]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dt: Tensor, B: Tensor, C: Tensor, A: Tensor, kernels: Kernels) -> Tensor:
        state = x.new_zeros(x.size(1), A.size(0), x.size(2))  # [R, S, D]
        starts, outputs = [], []
        for inputs in _chunks((x, dt, B, C), kernels.chunk):
            starts.append(state)
            output, state = kernels.outputs(*inputs, A.detach(), state)
            outputs.append(output)
        ctx.save_for_backward(x, dt, B, C, A, *starts)
        ctx.kernels = kernels
        return torch.cat(outputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, dt, B, C, A, *starts = ctx.saved_tensors
        grads = []
        grad_A, wanted = torch.zeros_like(A), torch.zeros_like(starts[0])
        chunks = _chunks((*grad_outputs, x, dt, B, C), ctx.kernels.chunk)
        for chunk, before in zip(reversed(chunks), reversed(starts)):
            *of_inputs, of_A, wanted = ctx.kernels.gradients(*chunk, A.detach(), before, wanted)
            grads.append(of_inputs)
            grad_A += of_A
        return (*(torch.cat(pieces[::-1]) for pieces in zip(*grads)), grad_A, None)


def _chunks(tensors: Sequence[Tensor], size: int) -> list[tuple[Tensor, ...]]:
    """Cut time-major tensors [L, ...] into chunks of positions, in the one form that kernels are compiled for."""
    return list(zip(*(tensor.detach().contiguous().unsafe_split(size) for tensor in tensors)))
