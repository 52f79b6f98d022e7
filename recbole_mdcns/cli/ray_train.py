"""``recbole-mdcns train --ray``: one training in several processes of a Ray cluster, by Ray Train."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole_mdcns import compat
from recbole_mdcns.checkpoints.checkpoint import RunFiles
from recbole_mdcns.config.outputs import check_outputs
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import ConfigError, LostProcess, UserError
from recbole_mdcns.parallel.processes import backend_for
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.support.ray_cluster import start_ray

#: Seconds within which all processes tell a mistake that all of them have.
_TOGETHER = 10
_MISSING = "--ray needs Ray Train: pip install 'ray[train]' ({}), or start the processes by torchrun"


@dataclass(frozen=True)
class Job:
    """A training, as each of its processes gets it.

    Attributes:
        run: Model, dataset, yaml files, keys by name, and keys as on the command line, as ``MDCNSConfig`` takes them.
        command: The command line as typed.
        folder: The folder that it was typed in; relative paths begin there.
        before: The names of the states of earlier runs with the same settings.
        storage: A folder for Ray Train in ``checkpoint_dir``.
    """

    run: tuple[str | None, str | None, list[str] | None, dict[str, Any], Sequence[str]]
    command: Sequence[str]
    folder: str
    before: frozenset[str] = frozenset()
    storage: str = ""


def train_with_ray(options: argparse.Namespace, files: list[str] | None, command: Sequence[str]) -> None:
    """Train by several processes. If one dies, Ray Train starts them again, and they resume the last finished epoch.

    Args:
        options: Those of ``recbole-mdcns train``.
        files: The yaml files.
        command: The command line as typed.

    Raises:
        UserError: A key, a file, the data or the cluster cannot be used.
        LostProcess: Processes died more than ``--max_failures`` times; finished epochs are kept.
        KeyboardInterrupt: It was interrupted; finished epochs are kept.
    """
    workers, gpus = options.workers, options.gpus_per_worker
    keys = {"show_progress": False, **({} if gpus else {"use_gpu": False})}
    job = Job((options.model, options.dataset, files, keys, options.keys), command, os.getcwd())
    config = MDCNSConfig(*job.run)
    check_outputs(config)
    if workers > config["train_batch_size"]:
        raise ConfigError(
            f"--workers={workers} is not allowed with train_batch_size = {config['train_batch_size']}: they share the "
            "targets of a step, and each needs at least one"
        )
    backend = backend_for(config["distributed_backend"], "cuda" if gpus else "cpu")
    is_mine = start_ray(_MISSING, options.address, logs=True)
    import ray

    storage = tempfile.mkdtemp(prefix=".ray-", dir=Path(config["checkpoint_dir"]).absolute())
    try:
        has = ray.cluster_resources()
        for name, asked in (("CPU", workers * options.cpus_per_worker), ("GPU", workers * gpus)):
            if asked > has.get(name, 0):
                raise ConfigError(
                    f"--workers={workers} is not allowed: they need {asked} {name}s, and there are {has.get(name, 0):g}"
                )
        before = frozenset(files.last.name for files in RunFiles.every(config))
        _fit(replace(job, before=before, storage=storage), options, backend)
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        if is_mine:
            ray.shutdown()


def _fit(job: Job, options: argparse.Namespace, backend: str) -> None:
    """Let Ray Train run the processes, and raise what they tell."""
    from ray.exceptions import RayActorError
    from ray.util.queue import Queue

    try:
        names = compat.ray_train()
    except ImportError as error:
        raise ConfigError(_MISSING.format(error)) from error
    told = Queue(actor_options={"num_cpus": 0})
    gpus = options.gpus_per_worker
    resources = {"CPU": options.cpus_per_worker, **({"GPU": gpus} if gpus else {})}
    trainer = names.TorchTrainer(
        lambda: _work(job, told, options.workers),
        torch_config=names.TorchConfig(backend=backend),
        scaling_config=names.ScalingConfig(
            num_workers=options.workers, use_gpu=gpus > 0, resources_per_worker=resources, **names.scaling
        ),
        run_config=names.RunConfig(
            name="ray",
            storage_path=job.storage,
            failure_config=names.FailureConfig(max_failures=options.max_failures),
            **names.run,
        ),
    )
    given_up = None
    try:
        trainer.fit()
    except names.GIVEN_UP as error:
        given_up = str(error).strip().splitlines()[-1]
    except (SystemExit, RayActorError):  # what Ray makes of Ctrl-C
        raise KeyboardInterrupt from None
    ends = dict(told.get_nowait_batch(told.qsize()))
    for rank in sorted(ends):
        if ends[rank] is not None:
            raise ends[rank]
    if given_up is not None:
        raise LostProcess(
            f"the processes ended more than --max_failures={options.max_failures} times ({given_up}); the same command "
            "with --resume continues after the last finished epoch, if there is one"
        )
    if 0 not in ends:  # Ray 2.6 catches the signal, and stops the processes
        raise KeyboardInterrupt


def _work(job: Job, told: Any, workers: int) -> None:
    """Be one of the processes, in a process group that Ray Train has started.

    A mistake of the user is reported; if all processes have it, Ray sees no error. If one has it alone, Ray ends the
    others and tries again; this attempt finds that something was told, and ends. The first process tells its success.
    """
    if not told.empty():
        return
    rank = int(os.environ["RANK"])
    for handler in list(getLogger().handlers):  # Ray's: the log of a run is ours
        getLogger().removeHandler(handler)
    try:
        _run(job, rank)
        if rank == 0:
            told.put((rank, None))
    except UserError as error:
        if isinstance(error, LostProcess):
            if told.empty():
                raise
            return
        told.put((rank, error))
        end = time.monotonic() + _TOGETHER
        while told.qsize() < workers:
            if time.monotonic() > end:  # the others wait for this process, and lose it
                raise
            time.sleep(0.1)


def _run(job: Job, rank: int) -> None:
    here = f"process {rank} on {socket.gethostname()}"
    try:
        os.chdir(job.folder)
    except OSError:
        raise ConfigError(
            f"{here} has no folder {job.folder}: start the command in a folder that all nodes share"
        ) from None
    if not Path(job.storage).is_dir():
        raise ConfigError(
            f"{here} does not see checkpoint_dir = {str(Path(job.storage).parent)!r}: give a folder that all nodes "
            "share"
        )
    sys.path.append(job.folder)  # as the command does
    model, dataset, files, keys, argv = job.run
    config = MDCNSConfig(*job.run)
    mine = [files.last for files in RunFiles.every(config) if files.last.name not in job.before]
    resumed = {"resume": str(mine[-1])} if mine and not config["resume"] else {}  # of an attempt before this one
    run_recbole_mdcns(model, dataset, files, {**keys, **resumed}, argv=argv, command=job.command)
