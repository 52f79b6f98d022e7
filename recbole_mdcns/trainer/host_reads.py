"""Finds what makes the host wait for a GPU in a training step: such a step cannot be captured."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

#: Operators whose result has a size or a value that the host must read.
READS = frozenset({
    "_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount",
    "equal", "is_nonzero", "_coalesce",
})  # fmt: skip


class HostReads(TorchDispatchMode):
    """Counts in a ``with`` block the operators that make the host wait, or that work on another device.

    Args:
        device: The device of the step.

    Attributes:
        found: The operators by name, and the random generators of the host that the block used.
    """

    def __init__(self, device: torch.device):
        super().__init__()
        self.device = device
        self.found: Counter[str] = Counter()

    def __enter__(self) -> HostReads:
        self._before = _states_of_the_host(self.device)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        after = _states_of_the_host(self.device)
        self.found.update(name for name, state in after.items() if state != self._before[name])

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Note ``func`` if it waits, and call it."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if self._waits(name, args, kwargs):
            self.found[name] += 1
        return func(*args, **kwargs)

    def _waits(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if name in READS:
            return True
        if name == "repeat_interleave":
            return kwargs.get("output_size") is None
        if name in ("index", "index_put_"):
            by_mask = any(index is not None and index.dtype == torch.bool for index in args[1])
            return by_mask and not (name == "index_put_" and args[2].numel() == 1)  # a fill does not read the mask
        if name == "multinomial":  # torch's fast way checks the weights
            with_replacement = args[2] if len(args) > 2 else kwargs.get("replacement", False)
            return not with_replacement or args[1] == 1
        tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
        others = [each for each in tensors if each.device.type != self.device.type]
        moves = any(each.dim() > 0 for each in others) or (bool(others) and name.endswith("_"))
        target = kwargs.get("device")  # a tensor of one number on the host is a constant of a kernel
        return moves or (target is not None and torch.device(target).type != self.device.type)


def _states_of_the_host(device: torch.device) -> dict[str, Any]:
    of_numpy: Any = np.random.get_state()
    states: dict[str, Any] = {"random": random.getstate(), "numpy.random": (of_numpy[1].tobytes(), of_numpy[2:])}
    if device.type != "cpu":
        states["torch's generator of the CPU"] = torch.get_rng_state().numpy().tobytes()
    return states
