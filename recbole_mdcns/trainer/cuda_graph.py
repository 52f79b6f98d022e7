"""A training step as one CUDA graph, by torch's own means."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch


class CudaGraph:
    """One captured call.

    Args:
        generators: The random generators that the call draws from, apart from torch's own of the device. Every replay
            draws anew from them.
        pool: The memory of the graphs that are never replayed at the same time, see ``torch.cuda.graph_pool_handle``.
    """

    def __init__(self, generators: Sequence[torch.Generator], pool: Any):
        self.graph = torch.cuda.CUDAGraph()
        self.pool = pool
        for generator in generators:
            self.graph.register_generator_state(generator)

    def capture(self, call: Callable[[], None]) -> None:
        """Record the kernels of a call; none of them runs."""
        with torch.cuda.graph(self.graph, pool=self.pool):
            call()

    def replay(self) -> None:
        """Run the kernels again."""
        self.graph.replay()


@contextlib.contextmanager
def on_side_stream(device: torch.device) -> Iterator[None]:
    """Run a block on another stream than the current one, as torch asks for calls before their capture."""
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        yield
    torch.cuda.current_stream(device).wait_stream(side)
