"""The chunks of the selective scan in a form for ``torch.compile``: position by position, nothing in place.

The compiler fuses it into one loop over rows, states and channels without intermediate states. On a CPU this is about
twice as fast as the same formulas operation by operation (``benchmarks/speed/selective_scan.py``).

Letters: c positions of a chunk, R rows, D channels, S states; arguments and results as in ``selective_scan``.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.selective_scan import Kernels, selective_scan
from recbole_mdcns.support.foreign_code import ForeignCall

#: Packages whose errors mean that a function cannot be compiled here.
_COMPILER = ("torch._dynamo", "torch._inductor", "torch._functorch", "torch.utils")
#: torch.compile specialises on the chunk length. With chunks of 2 only two graphs are ever compiled: length 2 and the
#: remainder, 1.
_CHUNK = 2


@functools.cache
def compiled_kernels() -> Kernels:
    """Compile the scan, once per process, and try it: takes half a minute, a few seconds from torch's cache.

    Raises:
        ConfigError: It cannot be compiled here.
    """
    kernels = Kernels(
        torch.compile(_outputs, dynamic=True), torch.compile(_gradients, dynamic=True), chunk=_CHUNK, rows=None
    )
    shapes = [(7, _CHUNK + 1, 128)] * 2 + [(128, 16)] + [(7, _CHUNK + 1, 16)] * 2  # Mamba4Rec's own
    x, dt, A, B, C = (torch.ones(shape, requires_grad=True) for shape in shapes)
    with ForeignCall(_not_compiled, *_COMPILER):
        selective_scan(x, dt, A, B, C, kernels).sum().backward()
    return kernels


def _not_compiled(error: Exception) -> ConfigError:
    return ConfigError(
        f"compile_scan = True is not allowed: torch.compile fails here; it needs a C++ compiler ({error})"
    )


def _outputs(x: Tensor, dt: Tensor, B: Tensor, C: Tensor, A: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    state, outputs = before, []
    for t in range(x.size(0)):
        state = _factors(dt[t], A) * state + _inputs(x[t], dt[t], B[t])
        outputs.append((state * C[t].unsqueeze(2)).sum(1))
    return torch.stack(outputs), state


def _gradients(
    grad: Tensor, x: Tensor, dt: Tensor, B: Tensor, C: Tensor, A: Tensor, before: Tensor, after: Tensor
) -> tuple[Tensor, ...]:
    factors, states = [], [before]
    for t in range(x.size(0)):
        factors.append(_factors(dt[t], A))
        states.append(factors[t] * states[t] + _inputs(x[t], dt[t], B[t]))
    grads = []
    grad_A, wanted = torch.zeros_like(A), after
    for t in range(x.size(0) - 1, -1, -1):
        wanted = wanted + grad[t].unsqueeze(1) * C[t].unsqueeze(2)  # gradient of the state, [R, S, D]
        grad_C = (states[t + 1] * grad[t].unsqueeze(1)).sum(2)
        grad_input = (B[t].unsqueeze(2) * wanted).sum(1)
        grad_B = (wanted * (dt[t] * x[t]).unsqueeze(1)).sum(2)
        wanted = wanted * factors[t]
        exponent = wanted * states[t]
        grad_A = grad_A + (exponent * dt[t].unsqueeze(1)).sum(0)
        grad_dt = grad_input * x[t] + (exponent * A).sum(1)
        grads.append((grad_input * dt[t], grad_dt, grad_B, grad_C))
    return (*(torch.stack(pieces[::-1]) for pieces in zip(*grads)), grad_A, wanted)


def _factors(dt: Tensor, A: Tensor) -> Tensor:
    """Return exp(dt A), [R, S, D], from a position's step sizes [R, D]."""
    return torch.exp(dt.unsqueeze(1) * A)


def _inputs(x: Tensor, dt: Tensor, B: Tensor) -> Tensor:
    """Return dt B x, [R, S, D], from a position's inputs and step sizes [R, D] and B [R, S]."""
    return (dt * x).unsqueeze(1) * B.unsqueeze(2)
