"""The engine of sweeps without Ray: worker processes of this machine, each with its share of the cores and GPUs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import load_dataset
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.engine import Lost, LostWorkers, Timed, data_key
from recbole_mdcns.tuning.grid import Trial
from recbole_mdcns.tuning.process_worker import last_line, train, work
from recbole_mdcns.tuning.sweep import Sweep

#: What a job that is not a training may lose: as many workers as with Ray.
_RETRIES = 2
#: What is sent to a worker: a function, a trial, the store, further arguments.
_Job = tuple[Callable[..., Any], Trial, Store, tuple[Any, ...]]


@dataclass
class _Worker:
    process: BaseProcess
    pipe: connection.Connection
    log: str

    def reason(self) -> str:
        """Return why it ended."""
        self.process.join()
        code = self.process.exitcode or 0
        if code < 0:
            return f"its worker was killed by {signal.Signals(-code).name}"
        return f"its worker ended with code {code}: {last_line(self.log)}"

    def kill(self) -> None:
        """End it at once, which is safe: every file is written whole or not at all."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Processes(Timed):
    """Worker processes, started when needed. A worker that dies is replaced, and costs its trial one attempt.

    Args:
        sweeps: What the trials ask for; the first sweep sets their resources.
        store: Where they leave their records.
        at_once: Trials at once; by default as many as fit, at most the sweep's ``max_concurrent``.
        per_gpu: Trials on one GPU; by default as the sweep's ``gpus`` says.

    Raises:
        ConfigError: A sweep asks for what only Ray can do.
    """

    def __init__(
        self, sweeps: Sequence[Sweep], store: Store, at_once: int | None = None, per_gpu: int | None = None
    ) -> None:
        for sweep in sweeps:
            for key, value, allowed in (
                ("search", sweep.search, ("grid", "random")),
                ("scheduler", sweep.scheduler, ("fifo",)),
            ):
                if value not in allowed:
                    raise ConfigError(
                        f"{key} = {value!r} is not allowed with --engine=processes; only Ray can do that: "
                        f"choose {', '.join(allowed)}, or --engine=ray"
                    )
        self.sweep, self.store = sweeps[0], store
        self.number = at_once
        self.per_gpu = per_gpu
        self._places: list[str] = []
        self._workers: dict[int, _Worker] = {}
        self._loaded: set[str] = set()
        super().__init__(self.sweep.sweep_hours)

    def start(self) -> None:
        """Count the places for workers; these start with the jobs."""
        if not self._places:
            self._places = places(self.sweep, self.number, self.per_gpu)
            gpus = set(self._places) - {""}
            print(f"{len(self._places)} trials at once, on " + (f"{len(gpus)} GPUs" if gpus else "the CPU"), flush=True)

    def close(self) -> None:
        """End the workers."""
        while self._workers:
            self._workers.popitem()[1].kill()

    def load(self, trial: Trial) -> None:
        """See :class:`Engine`. Every worker reads the data itself."""
        key = data_key(trial.values)
        if key not in self._loaded:
            load_dataset(MDCNSConfig.from_plain(trial.values, **trial.paths))
            self._loaded.add(key)

    def each(self, job: Callable[..., Any], plan: Sequence[Trial], *arguments: Any) -> None:
        """See :class:`Engine`; ``job`` is a function of a module."""
        for trial, reason in self._run([(job, trial, self.store, arguments) for trial in plan], _RETRIES):
            raise LostWorkers(f"{job.__name__} of {trial.id} failed {_RETRIES + 1} times: {reason}")

    def tune(self, plan: Sequence[Trial], scheduler: str) -> Lost:
        """See :class:`Engine`; trials that run when the sweep's hours end are stopped, without a record."""
        sweep = self.sweep
        more = (sweep.trial_hours, sweep.retries, max(1, int(sweep.cpus)))
        return self._run([(train, trial, self.store, more) for trial in plan], sweep.retries, is_timed=True)

    def search(self, sweep: Sweep, cell: Cell, seed: int, tried: Sequence[dict[str, Any]]) -> Lost:
        """Never called: the constructor refuses every search."""
        raise ConfigError(f"search = {sweep.search!r} needs --engine=ray")

    def _run(self, jobs: Sequence[_Job], retries: int, is_timed: bool = False) -> Lost:
        """Do jobs, each again while it has lost no more workers than ``retries``; return those given up."""
        waiting, number_lost, ended = deque(jobs), Counter[str](), 0
        running: dict[int, _Job] = {}
        lost: Lost = []
        while waiting or running:
            for place in range(len(self._places)):
                if waiting and place not in running:
                    running[place] = waiting.popleft()
                    self._give(place, running[place])
            pipes = {self._workers[place].pipe: place for place in running}
            seconds = self.seconds_left if is_timed and self.sweep.sweep_hours is not None else None
            ready = connection.wait(list(pipes), seconds) if seconds is None or seconds > 0 else []
            if not ready:
                self.close()
                return lost
            for pipe in ready:
                place = pipes[pipe]  # type: ignore[index]  # pipes are all that was waited for
                job, worker = running.pop(place), self._workers[place]
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    reason = worker.reason()
                    del self._workers[place]
                    number_lost[job[1].id.key] += 1
                    if number_lost[job[1].id.key] <= retries:
                        waiting.append(job)
                        continue
                    lost.append((job[1], reason))
                    answer = None
                if answer is not None:
                    self.close()
                    raise answer
                ended += 1
                print(f"{ended} of {len(jobs)}: {job[0].__name__} of {job[1].id}", flush=True)
        return lost

    def _give(self, place: int, job: _Job) -> None:
        """Send a job to the worker of a place, which is started where there is none, or where it ended while idle."""
        if place in self._workers and not self._workers[place].process.is_alive():
            self._workers.pop(place).kill()
        if place not in self._workers:
            with _signals_later():
                self._workers[place] = self._started(place)
        with contextlib.suppress(OSError):  # it has just ended: so the answer will say
            self._workers[place].pipe.send(job)

    def _started(self, place: int) -> _Worker:
        folder = self.store.folder / "processes"
        folder.mkdir(parents=True, exist_ok=True)
        log = str(folder / f"{place}.log")
        environment = {
            "CUDA_VISIBLE_DEVICES": self._places[place],
            "OMP_NUM_THREADS": str(max(1, int(self.sweep.cpus))),
        }
        context = multiprocessing.get_context("spawn")
        mine, its = context.Pipe()
        process = context.Process(target=work, args=(its, log, environment), name=f"trial-{place}")
        with _without_ctrl_c():
            process.start()
        its.close()
        return _Worker(process, mine, log)


def places(sweep: Sweep, number: int | None, per_gpu: int | None) -> list[str]:
    """Return the GPU of each worker, as ``CUDA_VISIBLE_DEVICES`` names it; empty for a worker on the CPU.

    Args:
        sweep: ``cpus`` and ``gpus`` of a trial, and ``max_concurrent``.
        number: On the CPU, so many workers; on GPUs, at most so many. Without it as many as fit, at most
            ``max_concurrent``.
        per_gpu: Workers of one GPU, instead of 1 / ``gpus``.

    Raises:
        ConfigError: A trial asks for more than this machine has.
    """
    cores = usable_cores()
    if sweep.cpus > cores:
        raise ConfigError(f"cpus = {sweep.cpus} is not allowed: this machine has {cores} CPUs")
    if not per_gpu and not sweep.gpus:
        fit = int(cores / (sweep.cpus or 1))
        return [""] * (number or min(fit, sweep.max_concurrent or fit))
    asked = f"--per_gpu = {per_gpu}" if per_gpu else f"gpus = {sweep.gpus}"
    gpus = visible_gpus()
    if not gpus:
        raise ConfigError(f"{asked} is not allowed: this machine has no GPU")
    if not per_gpu and sweep.gpus > 1:
        raise ConfigError(f"{asked} is not allowed with --engine=processes: a trial uses one GPU, give at most 1")
    return [gpu for _ in range(per_gpu or int(1 / sweep.gpus)) for gpu in gpus][: number or sweep.max_concurrent]


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    number, named = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(gpu) for gpu in range(number)] if named is None else named.split(",")[:number]


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM act after the block: a worker is then started whole, and known to who ends the workers."""
    arrived: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in map(int, (signal.SIGINT, signal.SIGTERM)):
            before[number] = signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in arrived:
        signal.raise_signal(number)


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Let a process that is started in the block never see Ctrl-C, which the terminal sends to every process.

    The driver sees it after the block. A blocked signal stays blocked in the new process.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # multiprocessing's own process, which would unblock the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
