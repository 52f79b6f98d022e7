"""Captures on a CPU: the operators of a call are recorded with their tensors, and run again in the same memory.

As in a CUDA graph, the Python of the call runs once, constants stay as they were, and results are written to the places
that they had at the capture.
"""

from __future__ import annotations

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def tensors_of(values) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, (tuple, list)) else ()
    return [tensor for value in inner for tensor in tensors_of(value)]


def mapped(change, values):
    """Return nested tuples, lists and dicts with other leaves."""
    if isinstance(values, dict):
        return {key: mapped(change, value) for key, value in values.items()}
    if isinstance(values, (tuple, list)):
        return type(values)([mapped(change, value) for value in values])
    return change(values)


class Call:
    """An operator with its arguments, and those of its results that need a value of each replay's own."""

    def __init__(self, func, arguments, result):
        self.func, self.arguments = func, arguments
        inputs = tensors_of(arguments)
        places = set(map(place_of, inputs))
        self.changes_shapes = torch.Tag.inplace_view in func.tags
        self.reads_sparse = not all(map(is_dense, inputs))
        self.results = [
            (index, each)
            for index, each in enumerate(tensors_of(result))
            if not is_dense(each) or place_of(each) not in places  # neither in place nor a view
        ]

    def run(self, sparse: dict[int, torch.Tensor]) -> None:
        """Run it again; ``sparse`` has this replay's sparse tensors by those of the capture: they have no place."""
        args, kwargs = with_own_shapes(self.arguments) if self.changes_shapes else self.arguments
        if self.reads_sparse:
            args, kwargs = mapped(lambda value: sparse.get(id(value), value), (args, kwargs))
        result = self.func(*args, **kwargs)
        found = tensors_of(result) if self.results else []
        for index, old in self.results:
            if is_dense(old):
                old.copy_(found[index])
            else:
                sparse[id(old)] = found[index]


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before = with_own_shapes((args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        self.calls.append(Call(func, before, with_own_shapes(result)))
        return result


class Tape:
    """The stand-in of ``CudaGraph``: the capture takes the step, and the first replay therefore does nothing."""

    def __init__(self):
        self.calls: list[Call] = []
        self.replays = 0

    def capture(self, call) -> None:
        with Recorder() as recorder:
            call()
        self.calls = recorder.calls

    def replay(self) -> None:
        self.replays += 1
        if self.replays > 1:
            with torch.no_grad():
                self.run()

    def run(self) -> None:
        sparse: dict[int, torch.Tensor] = {}
        for call in self.calls:
            call.run(sparse)


def with_own_shapes(values):
    """Return values with the same memory whose shapes stay when those of the given ones are changed in place."""
    return mapped(lambda value: value.detach() if is_dense(value) else value, values)


def is_dense(value) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def place_of(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if is_dense(tensor) else id(tensor)


class TapeCapturing:
    """The stand-in of ``CudaCapturing``."""

    def __init__(self):
        self.tapes: list[Tape] = []

    def graph(self, generators, neighbour) -> Tape:
        assert all(isinstance(each, torch.Generator) for each in generators)
        self.tapes.append(Tape())
        return self.tapes[-1]

    def warm_up(self):
        return contextlib.nullcontext()
