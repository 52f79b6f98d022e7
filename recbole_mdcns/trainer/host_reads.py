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
    "_local_scalar_dense", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive",
    "bincount", "equal", "is_nonzero", "_coalesce", "_linalg_check_errors",
})  # fmt: skip
#: Operators that take a list of places or masks.
INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_"})
#: Operators that copy a tensor of one number from the host to the GPU, and wait; others give the number to a kernel.
COPIES = frozenset({"copy_", "where"})


class HostReads(TorchDispatchMode):
    """Counts in a ``with`` block the operators that make the host wait, or that work on another device.

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
        if name == "multinomial":  # torch's fast way checks the weights
            with_replacement = args[2] if len(args) > 2 else kwargs.get("replacement", False)
            return not with_replacement or args[1] == 1
        tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
        others = [each for each in tensors if each.device.type != self.device.type]
        if any(each.dim() > 0 for each in others):
            return True
        if name.startswith("masked_fill") and isinstance(args[2], Tensor):
            return self._is_read(args[2])
        places = [each for each in args[1] if each is not None] if name in INDEXING else []
        if any(place.dtype == torch.bool for place in places):  # the mask is read, except to fill with one number
            fills = name != "index" and len(places) == 1 and args[2].numel() == 1
            return not fills or self._is_read(args[2])
        if places and name != "index" and args[2].dim() == 0 and args[2].device.type == "cpu":
            # a number of the host; in a run on the CPU the value of one place looks the same
            return self.device.type != "cpu" or places[0].numel() > 1
        return (bool(others) and name in COPIES) or self._moves(name, tensors, kwargs)

    def _is_read(self, number: Tensor) -> bool:
        """Tell whether the host waits for a number that it needs as a value."""
        return number.device.type == self.device.type != "cpu"

    def _moves(self, name: str, tensors: list[Tensor], kwargs: dict[str, Any]) -> bool:
        """Tell whether an operator makes a tensor for another device, or of numbers of the host."""
        if name == "lift_fresh":  # the last operator of torch.tensor; the copy before it does not show
            return tensors[0].device.type != "cpu"
        came_from = tensors[0].device if name == "_to_copy" else self.device
        target = kwargs.get("device")
        return target is not None and torch.device(target).type != came_from.type


def _states_of_the_host(device: torch.device) -> dict[str, Any]:
    of_numpy: Any = np.random.get_state()
    states: dict[str, Any] = {"random": random.getstate(), "numpy.random": (of_numpy[1].tobytes(), of_numpy[2:])}
    if device.type != "cpu":
        states["torch's generator of the CPU"] = torch.get_rng_state().numpy().tobytes()
    return states
