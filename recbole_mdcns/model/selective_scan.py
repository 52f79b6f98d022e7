"""The selective scan of Mamba in plain PyTorch, in chunks of positions, with a backward pass that keeps little.

For every channel d and state n, with step sizes dt, inputs x, and B and C of each position (Gu and Dao, 2023,
B discretised by the Euler rule as in their code):

    h_t = exp(dt_t A) h_(t-1) + dt_t B_t x_t,        y_t = C_t . h_t

All exponentials, outer products and sums are taken for a chunk at once; what is left to do position by position is
one in-place multiply-add. Memory holds one chunk, and one state per chunk for the backward pass, which computes the
others again. ``benchmarks/selective_scan.py`` measures it against the plain loop.

Letters: R rows, L positions, D channels, S states, c positions of a chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 5
ROWS = 64  # rows at a time on a CPU: what a chunk computes stays in its cache


def selective_scan(
    x: Tensor, step: Tensor, decay: Tensor, into: Tensor, out_of: Tensor, chunk: int = CHUNK, rows: int | None = None
) -> Tensor:
    """Run the recurrence over all positions.

    Args:
        x: Inputs, shape [R, L, D].
        step: Step sizes dt, not negative, shape [R, L, D]; a position of step 0 leaves the state as it is.
        decay: A, negative, shape [D, S].
        into: B, shape [R, L, S].
        out_of: C, shape [R, L, S].
        chunk: Positions of a chunk, c.
        rows: Rows at a time; by default 64 on a CPU and all on a GPU.

    Returns:
        y, shape [R, L, D], in the type of ``x``; computed in float32 or wider, autocast or not.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    rows = rows or (ROWS if x.device.type == "cpu" else len(x))
    with torch.autocast(x.device.type, enabled=False):
        transposed = decay.to(wide).T.contiguous()  # [S, D]: channels lie together, so that all sums run over vectors
        parts = []
        for block in zip(*(tensor.to(wide).split(rows) for tensor in (x, step, into, out_of))):
            by_time = (tensor.transpose(0, 1).contiguous() for tensor in block)  # [L, R, .]
            parts.append(_SelectiveScan.apply(*by_time, transposed, chunk).transpose(0, 1))
        return torch.cat(parts).to(x.dtype)


def _states(x: Tensor, step: Tensor, into: Tensor, decay: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the decay factors and the states of a chunk, both [c, R, S, D], from the state before it [R, S, D]."""
    factors = torch.exp_(step.unsqueeze(2) * decay)
    states = (step * x).unsqueeze(2) * into.unsqueeze(3)
    states[0].addcmul_(factors[0], before)
    for t in range(1, len(states)):
        states[t].addcmul_(factors[t], states[t - 1])
    return factors, states


class _SelectiveScan(torch.autograd.Function):
    """The scan on time-major tensors: x, step [L, R, D]; into, out_of [L, R, S]; decay [S, D]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, into: Tensor, out_of: Tensor, decay: Tensor, chunk: int) -> Tensor:
        state = x.new_zeros(x.size(1), decay.size(0), x.size(2))  # [R, S, D]
        starts, outputs = [], []
        for x_c, step_c, into_c, out_c in zip(*(tensor.split(chunk) for tensor in (x, step, into, out_of))):
            starts.append(state)
            _, states = _states(x_c, step_c, into_c, decay, state)
            outputs.append((out_c.unsqueeze(2) @ states).squeeze(2))  # [c, R, D]
            state = states[-1].clone()
        ctx.save_for_backward(x, step, into, out_of, decay, *starts)
        ctx.chunk = chunk
        return torch.cat(outputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, step, into, out_of, decay, *starts = ctx.saved_tensors
        grads = [torch.empty_like(tensor) for tensor in (x, step, into, out_of)]
        grad_decay = torch.zeros_like(decay)
        carried = torch.zeros_like(starts[0])  # what later chunks want of a chunk's last state
        pieces = [tensor.split(ctx.chunk) for tensor in (*grad_outputs, x, step, into, out_of, *grads)]
        for index in reversed(range(len(starts))):
            grad_y, x_c, step_c, into_c, out_c, grad_x, grad_step, grad_into, grad_out = (p[index] for p in pieces)
            factors, states = _states(x_c, step_c, into_c, decay, starts[index])
            grad_out.copy_((states @ grad_y.unsqueeze(3)).squeeze(3))  # [c, R, S]
            wanted = grad_y.unsqueeze(2) * out_c.unsqueeze(3)  # gradient of the states, [c, R, S, D]
            wanted[-1] += carried
            for t in range(len(wanted) - 2, -1, -1):
                wanted[t].addcmul_(factors[t + 1], wanted[t + 1])
            carried = factors[0] * wanted[0]
            # through the inputs dt B x
            grad_input = (into_c.unsqueeze(2) @ wanted).squeeze(2)  # [c, R, D]
            grad_into.copy_((wanted @ (step_c * x_c).unsqueeze(3)).squeeze(3))
            # through the exponents dt A
            exponent = factors.mul_(wanted)
            exponent[0] *= starts[index]
            exponent[1:] *= states[:-1]
            grad_decay += (exponent * step_c.unsqueeze(2)).sum((0, 1))
            grad_x.copy_(grad_input * step_c)
            grad_step.copy_(grad_input * x_c + (exponent * decay).sum(2))
        return (*grads, grad_decay, None)
