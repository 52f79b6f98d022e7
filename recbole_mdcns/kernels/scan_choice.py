"""Which selective scan a model uses: the fastest that its device and the installed packages have.

On a GPU that is the one of ``mamba-ssm`` where the package is installed, else ours in Triton, which every CUDA build of
torch brings along. Elsewhere it is ours in PyTorch, compiled or not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger

import torch
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.compiled_scan import compiled_kernels
from recbole_mdcns.kernels.selective_scan import PLAIN, Kernels, selective_scan
from recbole_mdcns.support.foreign_code import ForeignCall

Form = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Scan:
    """The scan of a model, wherever its tensors lie; arguments and result as in :func:`selective_scan`.

    Attributes:
        kernels: How :func:`selective_scan` computes a chunk.
        on_gpu: The scan for tensors on a GPU; None to use :func:`selective_scan` there too.
    """

    kernels: Kernels = PLAIN
    on_gpu: Form | None = None

    def __call__(self, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        if self.on_gpu is not None and x.is_cuda:
            return self.on_gpu(x, dt, A, B, C)
        return selective_scan(x, dt, A, B, C, self.kernels)


def choose_scan(device: torch.device, compiled: bool) -> Scan:
    """Return the scan of a model on a device and log which one it is; only that in PyTorch may be ``compiled``.

    Raises:
        ConfigError: It cannot be compiled here.
    """
    name, scan = _choose(device, compiled)
    getLogger().info(f"Mamba4Rec scans by {name}")
    return scan


def _choose(device: torch.device, compiled: bool) -> tuple[str, Scan]:
    reason = ""
    if device.type == "cuda":
        packaged = _mamba_ssm()
        if packaged is not None:
            return "mamba-ssm", Scan(on_gpu=packaged)
        form = find_triton(device)
        if not isinstance(form, str):
            return "Triton", Scan(on_gpu=form)
        reason = f"; Triton cannot be used here: {form}"
    if compiled:
        return f"torch.compile{reason}", Scan(compiled_kernels())
    return f"plain PyTorch{reason}", Scan()


def _mamba_ssm() -> Form | None:
    """Return the scan of the extra "mamba", or None."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return None

    def scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        x_t, dt_t, B_t, C_t = (tensor.transpose(1, 2).contiguous() for tensor in (x, dt, B, C))
        return selective_scan_fn(x_t, dt_t.to(x_t.dtype), A.float(), B_t, C_t).transpose(1, 2)

    return scan


@functools.cache
def find_triton(device: torch.device) -> Form | str:
    """Return the scan in Triton after a first run, which compiles it; or the reason why there is none.

    Triton may be missing, and it needs a C compiler. A first run inside the capture of a CUDA graph would be too late.
    """
    try:
        from recbole_mdcns.kernels.triton_scan import triton_scan
    except ImportError as error:
        return str(error)
    shapes = [(1, 2, 128)] * 2 + [(128, 16)] + [(1, 2, 16)] * 2  # Mamba4Rec's own
    x, dt, A, B, C = (torch.ones(shape, device=device, requires_grad=True) for shape in shapes)
    try:
        with torch.enable_grad(), ForeignCall(lambda error: ConfigError(f"{type(error).__name__} {error}"), "triton"):
            triton_scan(x, dt, A, B, C).sum().backward()
    except ConfigError as error:
        return str(error)
    return triton_scan
