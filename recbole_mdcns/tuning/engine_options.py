"""The options of a command that choose the engine of its sweeps, and the engine that they name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from recbole_mdcns.errors import ConfigError

if TYPE_CHECKING:
    from recbole_mdcns.records.store import Store
    from recbole_mdcns.tuning.engine import Engine
    from recbole_mdcns.tuning.sweep import Sweep

#: The engines, and the options that only one of them has.
_OPTIONS = {"ray": ("address", "dashboard"), "processes": ("at_once", "per_gpu")}


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--engine", choices=list(_OPTIONS), default="ray", help="what runs the trials (ray)")
    parser.add_argument("--at_once", type=int, metavar="N", help="processes: trials at once, instead of max_concurrent")
    parser.add_argument("--per_gpu", type=int, metavar="N", help="processes: trials on one GPU, instead of 1 / gpus")
    parser.add_argument("--address", help="ray: address of a running cluster, or auto")
    parser.add_argument("--dashboard", action="store_true", help="ray: start its dashboard")


def engine_of(options: argparse.Namespace, sweeps: Sequence[Sweep], store: Store) -> Engine:
    """Return the engine that the options name. Nothing is started yet.

    Args:
        options: Those of :func:`add_engine_arguments`.
        sweeps: What it will run; the first one sets the resources of a trial.
        store: Where records and checkpoints are.

    Raises:
        ConfigError: An option is of another engine or out of range, or the engine cannot run the sweeps.
    """
    for engine, names in _OPTIONS.items():
        for name in names:
            if engine != options.engine and getattr(options, name):
                raise ConfigError(f"--{name} is not allowed with --engine={options.engine}: it needs --engine={engine}")
    for name in _OPTIONS["processes"]:
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name} = {value} is not allowed: give a whole number of at least 1")
    if options.engine == "processes":
        from recbole_mdcns.tuning.processes import Processes

        return Processes(sweeps, store, options.at_once, options.per_gpu)
    from recbole_mdcns.tuning.workers import Workers

    return Workers(sweeps[0], store, options.address, options.dashboard)


def sweep_as_asked(options: argparse.Namespace, sweep: Sweep) -> Sweep:
    """Return a sweep with the limits of the options, for an estimate of its hours."""
    gpus = 1 / options.per_gpu if options.per_gpu else sweep.gpus
    cpus = sweep.cpus
    if options.engine == "processes":  # see places: cores limit trials on the CPU alone, and no number that is given
        cpus = 0 if options.at_once or gpus else cpus or 1
    return replace(sweep, gpus=gpus, cpus=cpus, max_concurrent=options.at_once or sweep.max_concurrent)
