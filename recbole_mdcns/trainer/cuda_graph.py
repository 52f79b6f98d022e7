"""A training step as one CUDA graph, by torch's own means."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence

import torch


class CudaGraph:
    """One captured call.

    Args:
        generators: The random generators of the device that the call draws from, apart from torch's own. Every replay
            draws anew from them.
        stream: The stream of the capture and of the calls before it. Libraries keep their work spaces per stream, and
            torch remembers the stream on which a weight's gradient was first made.
        neighbour: A graph that is never replayed at the same time; both share their memory.
    """

    def __init__(
        self, generators: Sequence[torch.Generator], stream: torch.cuda.Stream, neighbour: CudaGraph | None = None
    ):
        self.graph = torch.cuda.CUDAGraph()
        self.stream = stream
        self.pool = None if neighbour is None else neighbour.graph.pool()
        for generator in generators:
            self.graph.register_generator_state(generator)

    def capture(self, call: Callable[[], None]) -> None:
        """Record the kernels of a call; none of them runs."""
        gc.collect()  # a cycle may hold an earlier backward pass, which was on another stream; torch may not collect
        with torch.cuda.graph(self.graph, pool=self.pool, stream=self.stream):
            call()

    def replay(self) -> None:
        """Run the kernels again."""
        self.graph.replay()


@contextlib.contextmanager
def on_stream(side: torch.cuda.Stream) -> Iterator[None]:
    """Run a block on another stream than the current one, as torch asks for calls before their capture."""
    current = torch.cuda.current_stream(side.device)
    side.wait_stream(current)
    with torch.cuda.stream(side):
        yield
    current.wait_stream(side)
