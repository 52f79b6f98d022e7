"""How torch is asked for a CUDA graph; a list of what it is asked takes torch's place."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, cast

import pytest
import torch

from recbole_mdcns.trainer.cuda_graph import CudaGraph, on_stream


@pytest.fixture
def asked(monkeypatch) -> list:
    """Replace torch's graphs and streams; return what they are asked for."""
    log: list = []

    class Graph:
        def __init__(self):
            self.number = sum(entry[0] == "graph" for entry in log)
            log.append(("graph", self.number))

        def register_generator_state(self, generator):
            log.append(("draws", self.number, generator))

        def pool(self):
            return ("pool", self.number)

        def replay(self):
            log.append(("replay", self.number))

    signature = inspect.signature(torch.cuda.graph.__init__)

    @contextlib.contextmanager
    def capture(*arguments, **named):
        taken = signature.bind(None, *arguments, **named).arguments  # torch takes these names
        log.append(("begin", taken["cuda_graph"].number, taken["pool"], taken["stream"]))
        yield
        log.append(("end", taken["cuda_graph"].number))

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return log


def test_a_graph_knows_its_generators_and_shares_memory_with_its_neighbour(asked):
    mine, side = cast(Any, "mine"), cast(Any, "side")
    first = CudaGraph([mine], side)
    first.capture(lambda: asked.append("step"))
    second = CudaGraph([], side, first)
    second.capture(lambda: asked.append("other step"))
    first.replay()
    assert asked == [
        ("graph", 0), ("draws", 0, "mine"), ("begin", 0, None, "side"), "step", ("end", 0),
        ("graph", 1), ("begin", 1, ("pool", 0), "side"), "other step", ("end", 1), ("replay", 0),
    ]  # fmt: skip


def test_a_block_on_a_stream_begins_after_what_was_asked_before_and_ends_before_what_follows(monkeypatch):
    log: list = []

    class Stream:
        device = "cuda:1"

        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            log.append((self.name, "waits for", other.name))

    @contextlib.contextmanager
    def inside(stream):
        log.append(("in", stream.name))
        yield
        log.append(("out", stream.name))

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("main"))
    monkeypatch.setattr(torch.cuda, "stream", inside)
    with on_stream(cast(Any, Stream("side"))):
        log.append("step")
    expected = [("side", "waits for", "main"), ("in", "side"), "step", ("out", "side"), ("main", "waits for", "side")]
    assert log == expected
