"""The steps of an epoch of static batches: some plain ones, then replays of a captured one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from logging import getLogger
from typing import Any, Protocol

import torch
from torch.optim import SGD, Optimizer

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.static_batches import StaticBatches
from recbole_mdcns.errors import TrainingError
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.trainer.cuda_graph import CudaGraph, on_stream
from recbole_mdcns.trainer.host_reads import HostReads
from recbole_mdcns.trainer.host_state import generators, host_state

#: Plain steps before a capture: they make the optimisers' states and the libraries' work spaces.
WARM_UPS = 3
#: Graphs that are kept; one holds the memory of a step.
MOST_GRAPHS = 4


class Graph(Protocol):
    """A call that is captured once and replayed; see :class:`CudaGraph`."""

    def capture(self, call: Callable[[], None]) -> None: ...

    def replay(self) -> None: ...


class Capturing(Protocol):
    """How a device captures: graphs, and a context for the steps before."""

    def graph(self, generators: Sequence[torch.Generator], neighbour: Any) -> Graph: ...

    def warm_up(self) -> AbstractContextManager[None]: ...


class CudaCapturing:
    """Captures on a GPU; graphs that live at the same time share their memory, because they run one after the other."""

    def __init__(self, device: torch.device):
        self.stream = torch.cuda.Stream(device)

    def graph(self, generators: Sequence[torch.Generator], neighbour: CudaGraph | None) -> CudaGraph:
        """Return a new graph that may share the memory of another one."""
        return CudaGraph(generators, self.stream, neighbour)

    def warm_up(self) -> AbstractContextManager[None]:
        """Return the context of a plain step before a capture."""
        return on_stream(self.stream)


class CapturedSteps:
    """Takes the steps of epochs; the first ones are plain and tell whether a step can be captured.

    A step is captured if it reads nothing back from the device, draws nothing on the host, and changes nothing that is
    kept on the host. All steps of all batches with one number of sequences share a graph. If a value on the host
    changes between epochs, such as a rate that a strategy lowers, a new graph is captured.

    Args:
        batches: The batches.
        take: Takes one training step on a batch.
        optimizers: The optimisers of the steps.
        state: What else holds the state of a step, by name: strategy, loss, models.
        fixed: Paths of :func:`host_state` that no step reads.
        capturing: The captures of the device.
        device: The device.

    Attributes:
        obstacle: Why steps stay plain; None if they are captured.
    """

    def __init__(
        self,
        batches: StaticBatches,
        take: Callable[[TargetBatch], None],
        optimizers: Sequence[Optimizer],
        state: Mapping[str, Any],
        fixed: Sequence[str],
        capturing: Capturing,
        device: torch.device,
    ):
        self.batches, self.take, self.optimizers = batches, take, optimizers
        self.state, self.fixed = state, fixed
        self.capturing, self.device = capturing, device
        self.obstacle: str | None = None
        self._graphs: dict[Any, Graph] = {}
        self._warm_ups: dict[Any, int] = {}
        for optimizer in optimizers:
            optimizer.register_load_state_dict_post_hook(self._forget)

    def epoch(self) -> Iterator[int]:
        """Take the steps of an epoch; yield the number of targets of each."""
        self.batches.start_epoch()
        key = (self.batches.sequence_num, frozenset(self._host_state().items()))
        for _ in range(self.batches.full_steps):
            self._step(key)
            yield self.batches.batch_size
        if self.batches.remainder:
            self.take(self.batches.last_batch())
            yield self.batches.remainder

    def _step(self, key: Any) -> None:
        if key in self._graphs:
            self._graphs[key].replay()
        elif self.obstacle is not None:
            self._take_next()
        elif self._warm_ups.get(key, 0) < WARM_UPS:
            self._warm_up(key)
        else:
            self._capture(key)
            self._graphs[key].replay()

    def _take_next(self) -> None:
        self.take(self.batches.next_batch())

    def _warm_up(self, key: Any) -> None:
        done = self._warm_ups.get(key, 0)
        self._warm_ups[key] = done + 1
        with self.capturing.warm_up():
            if done < WARM_UPS - 1:  # the first one may make what later ones use
                self._take_next()
                return
            before = self._host_state()
            with HostReads(self.device) as reads:
                self._take_next()
            after = self._host_state()
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        if reads.found or changed:
            reasons = [f"{name} makes the host wait or draws there" for name in sorted(reads.found)]
            self.obstacle = "; ".join([*reasons, *(f"{path} changes on the host" for path in changed)])
            getLogger().info(f"training steps are not captured: {self.obstacle}")

    def _capture(self, key: Any) -> None:
        while len(self._graphs) >= MOST_GRAPHS:
            oldest = next(iter(self._graphs))
            del self._graphs[oldest], self._warm_ups[oldest]
        drawing, neighbour = generators(self.state, self.device), next(iter(self._graphs.values()), None)
        graph = self.capturing.graph(drawing, neighbour)
        try:
            graph.capture(self._take_next)
        except RuntimeError as error:
            raise TrainingError(
                f"the training step could not be captured as a CUDA graph ({error}): set cuda_graph = False"
            ) from error
        getLogger().info(f"training steps are captured, with {key[0]} sequences each")
        self._graphs[key] = graph

    def _forget(self, _optimizer: Optimizer) -> None:
        """Drop all graphs: an optimiser has got new tensors for its state."""
        self._graphs.clear()
        self._warm_ups.clear()

    def _host_state(self) -> dict[str, Any]:
        rates = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        rates = [{key: value for key, value in group.items() if key != "params"} for group in rates]
        state = host_state({**self.state, "optimizers": rates})
        return {path: value for path, value in state.items() if path not in self.fixed}


def obstacle_of(config: MDCNSConfig, optimizers: Sequence[Optimizer], uses_scaler: bool) -> str | None:
    """Return why the steps of a run cannot be captured, as far as its keys tell."""
    if Group.current().size > 1:
        return "several processes train together"
    if not config["cuda_graph"]:
        return "cuda_graph is False"
    if not hasattr(torch.cuda.CUDAGraph, "register_generator_state"):
        return f"torch {torch.__version__} cannot draw random numbers anew in each replay; torch 2.4 can"
    if config["lazy_items"]:
        return "lazy_items has gradients whose sizes the host must read"
    if uses_scaler:
        return "enable_scaler reads in each step whether a gradient is infinite"
    for optimizer in optimizers:
        if not isinstance(optimizer, SGD) and not all(group.get("capturable") for group in optimizer.param_groups):
            return f"{type(optimizer).__name__} counts its steps on the host"
    return None
