"""The selective scan of Mamba in plain PyTorch, in chunks of positions, with a backward pass that keeps little.

For every channel d and state n, with step sizes dt, inputs x, and B and C of each position (Gu and Dao, 2023,
B discretised by the Euler rule as in their code):

    h_t = exp(dt_t A) h_(t-1) + dt_t B_t x_t,        y_t = C_t . h_t

All exponentials, outer products and sums are taken for a chunk at once; what is left to do position by position is
one in-place multiply-add. Memory holds one chunk, and one state per chunk for the backward pass, which computes the
others again. ``compiled_scan`` has the two functions of a chunk in a form for ``torch.compile``.
``benchmarks/selective_scan.py`` measures both against the plain loop.

Letters: R rows, L positions, D channels, S states, c positions of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


def chunk_outputs(
    x: Tensor, step: Tensor, into: Tensor, out_of: Tensor, decay: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the outputs of a chunk, [c, R, D], and the state after it, [R, S, D].

    Args:
        x: Inputs, shape [c, R, D].
        step: Step sizes, shape [c, R, D].
        into: B, shape [c, R, S].
        out_of: C, shape [c, R, S].
        decay: A transposed, shape [S, D].
        before: The state before the chunk, shape [R, S, D].
    """
    _, states = _states(x, step, into, decay, before)
    return (out_of.unsqueeze(2) @ states).squeeze(2), states[-1].clone()


def chunk_gradients(
    grad: Tensor, x: Tensor, step: Tensor, into: Tensor, out_of: Tensor, decay: Tensor, before: Tensor, after: Tensor
) -> tuple[Tensor, ...]:
    """Return the gradients of x, step, into and out_of, that of the decay, and that of the state before the chunk.

    Args:
        grad: Gradient of the outputs, shape [c, R, D].
        x: As in :func:`chunk_outputs`, like the next five.
        step: Step sizes.
        into: B.
        out_of: C.
        decay: A transposed.
        before: The state before the chunk.
        after: What later chunks want of the chunk's last state, shape [R, S, D].
    """
    factors, states = _states(x, step, into, decay, before)
    grad_out = (states @ grad.unsqueeze(3)).squeeze(3)  # [c, R, S]
    wanted = grad.unsqueeze(2) * out_of.unsqueeze(3)  # gradient of the states, [c, R, S, D]
    wanted[-1] += after
    for t in range(len(wanted) - 2, -1, -1):
        wanted[t].addcmul_(factors[t + 1], wanted[t + 1])
    grad_before = factors[0] * wanted[0]
    # through the inputs dt B x
    grad_input = (into.unsqueeze(2) @ wanted).squeeze(2)  # [c, R, D]
    grad_into = (wanted @ (step * x).unsqueeze(3)).squeeze(3)
    # through the exponents dt A
    exponent = factors.mul_(wanted)
    exponent[0] *= before
    exponent[1:] *= states[:-1]
    grad_decay = (exponent * step.unsqueeze(2)).sum((0, 1))
    grad_step = grad_input * x + (exponent * decay).sum(2)
    return grad_input * step, grad_step, grad_into, grad_out, grad_decay, grad_before


def _states(x: Tensor, step: Tensor, into: Tensor, decay: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the decay factors and the states of a chunk, both [c, R, S, D], from the state before it [R, S, D]."""
    factors = torch.exp_(step.unsqueeze(2) * decay)
    states = (step * x).unsqueeze(2) * into.unsqueeze(3)
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


def selective_scan(
    x: Tensor, step: Tensor, decay: Tensor, into: Tensor, out_of: Tensor, kernels: Kernels = PLAIN
) -> Tensor:
    """Run the recurrence over all positions.

    Args:
        x: Inputs, shape [R, L, D].
        step: Step sizes dt, not negative, shape [R, L, D]; a position of step 0 leaves the state as it is.
        decay: A, negative, shape [D, S].
        into: B, shape [R, L, S].
        out_of: C, shape [R, L, S].
        kernels: How a chunk is computed.

    Returns:
        y, shape [R, L, D], in the type of ``x``; computed in float32 or wider, autocast or not.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    rows = kernels.rows if kernels.rows and x.device.type == "cpu" else len(x)
    with torch.autocast(x.device.type, enabled=False):
        transposed = decay.to(wide).T.contiguous()  # [S, D]: channels lie together, so that all sums run over vectors
        parts = []
        for block in zip(*(tensor.to(wide).split(rows) for tensor in (x, step, into, out_of))):
            by_time = (tensor.transpose(0, 1).contiguous() for tensor in block)  # [L, R, .]
            parts.append(_SelectiveScan.apply(*by_time, transposed, kernels).transpose(0, 1))
        return torch.cat(parts).to(x.dtype)


class _SelectiveScan(torch.autograd.Function):
    """The scan on time-major tensors: x, step [L, R, D]; into, out_of [L, R, S]; decay [S, D]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, step: Tensor, into: Tensor, out_of: Tensor, decay: Tensor, kernels: Kernels
    ) -> Tensor:
        state = x.new_zeros(x.size(1), decay.size(0), x.size(2))  # [R, S, D]
        starts, outputs = [], []
        for inputs in _chunks((x, step, into, out_of), kernels.chunk):
            starts.append(state)
            output, state = kernels.outputs(*inputs, decay.detach(), state)
            outputs.append(output)
        ctx.save_for_backward(x, step, into, out_of, decay, *starts)
        ctx.kernels = kernels
        return torch.cat(outputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, step, into, out_of, decay, *starts = ctx.saved_tensors
        grads = []
        grad_decay, wanted = torch.zeros_like(decay), torch.zeros_like(starts[0])
        chunks = _chunks((*grad_outputs, x, step, into, out_of), ctx.kernels.chunk)
        for chunk, before in zip(reversed(chunks), reversed(starts)):
            *of_inputs, of_decay, wanted = ctx.kernels.gradients(*chunk, decay.detach(), before, wanted)
            grads.append(of_inputs)
            grad_decay += of_decay
        return (*(torch.cat(pieces[::-1]) for pieces in zip(*grads)), grad_decay, None)


def _chunks(tensors: Sequence[Tensor], size: int) -> list[tuple[Tensor, ...]]:
    """Cut time-major tensors [L, ...] into chunks of positions, in the one form that kernels are compiled for."""
    return list(zip(*(tensor.detach().contiguous().unsafe_split(size) for tensor in tensors)))
