"""The state that a training step keeps on the host; a captured step does not notice when it changes."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Values that are compared as they are.
_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, torch.dtype, torch.device)
#: Packages whose objects hold data and settings, and no state of a step; torch's modules are looked into.
_PASSED_OVER = ("torch", "numpy", "pandas", "recbole", "recbole_mdcns.data", "recbole_mdcns.config", "logging")
#: Longer lists are data.
_LONGEST = 1000


def host_state(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values and the places of the tensors that objects hold, by the path to each.

    A random generator of the host counts as a plain value.

    A captured step reads plain values once, when it is captured, and afterwards always the same places. If a step
    changes one of these, or if something else does between two epochs, the capture no longer does what the step does.
    """
    found: dict[str, Any] = {}
    for path, value in _leaves(objects):
        if isinstance(value, Tensor):
            place = value.data_ptr() if value.layout == torch.strided else id(value)
            found[path] = (place, tuple(value.shape), value.dtype)
        elif isinstance(value, _PLAIN):
            found[path] = value
        elif isinstance(value, np.random.Generator):
            found[path] = repr(value.bit_generator.state)
        elif isinstance(value, random.Random):
            found[path] = value.getstate()
    return found


def generators(objects: Mapping[str, Any], device: torch.device) -> list[torch.Generator]:
    """Return the random generators of a device that objects hold, each once; a graph must not be given others."""
    found = {id(value): value for _, value in _leaves(objects) if isinstance(value, torch.Generator)}
    return [each for each in found.values() if each.device.type == device.type]


def _leaves(objects: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what objects hold, by the path to each value, looking into modules, lists, tables and own classes."""
    seen: set[int] = set()  # of what is on the way: an object may hold itself
    waiting = list(objects.items())
    while waiting:
        path, value = waiting.pop()
        inside = _inside(value)
        if inside is None:
            yield path, value
        elif id(value) not in seen:
            seen.add(id(value))
            waiting += [(f"{path}.{name}", each) for name, each in inside]


def _inside(value: Any) -> list[tuple[Any, Any]] | None:
    """Return what a value holds, by name; None if it is not looked into."""
    if isinstance(value, (Mapping, list, tuple, deque, set, frozenset)) and len(value) > _LONGEST:
        return None
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (list, tuple, deque)):
        return list(enumerate(value))
    if isinstance(value, (set, frozenset)):
        return list(enumerate(sorted(value, key=repr)))
    if isinstance(value, (*_PLAIN, Tensor, type, random.Random)) or not hasattr(value, "__dict__"):
        return None
    package = type(value).__module__
    if not isinstance(value, torch.nn.Module) and f"{package}.".startswith(tuple(f"{name}." for name in _PASSED_OVER)):
        return None
    return list(vars(value).items())
