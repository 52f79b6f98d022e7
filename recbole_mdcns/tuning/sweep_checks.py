"""Everything that can be wrong with a sweep's file before any configuration is built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_mdcns.config.identity import is_identifying
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.negatives import strategy_names
from recbole_mdcns.support.path_names import checked_name
from recbole_mdcns.support.yaml_files import properties_dir
from recbole_mdcns.tuning.space import check_space, ends
from recbole_mdcns.tuning.sweep import ADAPTIVE, Sweep

_CHOICES = {"search": ("grid", "random", *ADAPTIVE), "scheduler": ("fifo", "asha", "median")}
#: Whole or any number, the least, and whether it may be left out.
_NUMBERS = {
    "samples": (int, 1, False),
    "retries": (int, 0, False),
    "cpus": (float, 0, False),
    "gpus": (float, 0, False),
    "max_concurrent": (int, 1, True),
    "trial_hours": (float, 0, True),
    "sweep_hours": (float, 0, True),
}
_KIND = {int: "a whole number", float: "a number"}
#: Keys that a sweep has an axis for: those of a run whatever its method, and all.
_RUN_AXES = {"dataset": "datasets", "model": "models", "protocol": "protocols", "seed": "seeds"}
_AXES = {**_RUN_AXES, "peer_model": "peers", "neg_sampler": "methods", "ranking_loss": "losses"}
_NAMES = ("datasets", "models", "methods", "peers", "losses", "protocols")
#: Keys that a sweep sets in every trial, and the values that it gives them, where these may be said as well.
_SET_BY_SWEEPS: dict[str, tuple[Any, ...]] = {
    "resume": (False,),
    "result_file": (None,),
    "show_progress": (False,),
    "state": ("WARNING",),
    "log_wandb": (False,),
    "log_dir": (None,),
    "tensorboard_dir": (None,),
    "checkpoint_dir": (),
    "config_files": (),
    "gpu_id": (),
}
#: Keys that choose the epoch, or what it is chosen by: settings of a search are compared by one metric.
_OF_CHOICE = ("valid_metric", "metrics", "topk")
#: The largest seed that numpy takes, less 1: strategies draw with the next one.
_MOST_SEED = 2**32 - 2


def check_fields(sweep: Sweep, path: str | Path) -> None:
    """Refuse fields of the wrong kind, or out of range.

    Raises:
        ConfigError: Names the file, the field, what was found and what is allowed.
    """
    checked_name(sweep.name, f"{path}: name")
    for key in (*_NAMES, "seeds"):
        value = getattr(sweep, key)
        if not isinstance(value, list) or not value:
            raise ConfigError(f"{path}: {key} = {value!r} is not allowed: give a list of at least one")
    for key in _NAMES:
        value = getattr(sweep, key)
        if not all((isinstance(each, str) and each.strip()) or (each is None and key == "peers") for each in value):
            raise ConfigError(f"{path}: {key} = {value!r} is not allowed: give names; in yaml, numbers need quotes")
    for name in sweep.datasets:
        checked_name(name, f"{path}: datasets: name")
    if not all(_is_seed(seed) for seed in sweep.seeds) or _repeats(sweep.seeds):
        raise ConfigError(
            f"{path}: seeds = {sweep.seeds!r} is not allowed: give whole numbers from 0 to {_MOST_SEED}, each once"
        )
    tuned = sweep.tune_seeds
    is_part = isinstance(tuned, list) and all(_is_seed(seed) and seed in sweep.seeds for seed in tuned)
    if not is_part or _repeats(tuned):
        raise ConfigError(f"{path}: tune_seeds = {tuned!r} is not allowed: choose from {sweep.seeds}, each once")
    for key, allowed in _CHOICES.items():
        if getattr(sweep, key) not in allowed:
            raise ConfigError(f"{path}: {key} = {getattr(sweep, key)!r} is not allowed: choose {', '.join(allowed)}")
    for key, (kind, least, may_miss) in _NUMBERS.items():
        value = getattr(sweep, key)
        is_number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        if not (value is None and may_miss) and not (is_number and least <= value < math.inf):
            raise ConfigError(f"{path}: {key} = {value!r} is not allowed: give {_KIND[kind]} of at least {least}")
    for key in ("keys", "dataset_keys", "method_keys", "space"):
        if not isinstance(getattr(sweep, key), dict):
            raise ConfigError(f"{path}: {key} = {getattr(sweep, key)!r} is not allowed: give names and values")


def check_entries(sweep: Sweep, path: str | Path, listed: dict[str, Sequence[str]]) -> None:
    """Refuse unknown names, and keys in places where they would be overwritten or never used.

    Args:
        sweep: The sweep, with all methods that it knows.
        path: Its file.
        listed: ``datasets`` and ``methods`` of the file; the sweep may use only some of them.

    Raises:
        ConfigError: Names the file, the place, the key and what is allowed.
    """
    methods = [*strategy_names(), *sweep.method_keys]
    classes = [name for name in (*sweep.methods, *listed["methods"]) if ":" in name]
    named = [name for name in sweep.methods if ":" not in name]
    _check_known(named, methods, f"{path}: methods", "method")
    _check_known(sweep.space, [*methods, *classes, "all"], f"{path}: space", "method")
    shipped = [file.stem for file in sorted((properties_dir() / "dataset").glob("*.yaml"))]
    datasets = list(dict.fromkeys([*sweep.datasets, *listed["datasets"], *shipped]))
    _check_known(sweep.dataset_keys, datasets, f"{path}: dataset_keys", "dataset")
    for name in sweep.method_keys:
        checked_name(name, f"{path}: method_keys: name")
        if name in strategy_names():
            raise ConfigError(f"{path}: method_keys.{name} is not allowed: there is a neg_sampler of that name")
    _check_keys(sweep.keys, f"{path}: keys", _AXES)
    for field, axes in (("space", _AXES), ("dataset_keys", _AXES), ("method_keys", _RUN_AXES)):
        for name, entries in getattr(sweep, field).items():
            if not isinstance(entries, dict):
                raise ConfigError(f"{path}: {field}.{name} = {entries!r} is not allowed: give names and values")
            _check_keys(entries, f"{path}: {field}.{name}", axes)
    for name, space in sweep.space.items():
        check_space(space, f"{path}: space.{name}")
        _check_values(space, f"{path}: space.{name}")
    _check_options(sweep, path)
    for key in sweep.space.get("all", {}):
        if key in sweep.keys:
            raise ConfigError(f"{path}: keys.{key} = {sweep.keys[key]!r} is never used: space.all sets {key}")


def _check_options(sweep: Sweep, path: str | Path) -> None:
    """Refuse ``--set KEY`` where the file sets the key for a dataset or method of the sweep, which would win."""
    places = {f"dataset_keys.{name}": sweep.dataset_keys.get(name, {}) for name in sweep.datasets}
    places.update({f"method_keys.{name}": sweep.method_keys.get(name, {}) for name in sweep.methods})
    places.update({f"space.{name}": sweep.space.get(name, {}) for name in sweep.methods})
    for place, entries in places.items():
        for key in entries:
            if key in sweep.by_option:
                raise ConfigError(
                    f"--set {key}={sweep.keys[key]} is not used everywhere: {place} of {path} sets {key}, and wins; "
                    "change the file, or name other --datasets or --methods"
                )


def _check_known(names: Sequence[str] | dict[str, Any], known: Sequence[str], where: str, kind: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{where}: there is no {kind} {name}{nearest(name, known)}. Allowed are {', '.join(known)}"
            )


def _check_keys(entries: dict[str, Any], where: str, axes: dict[str, str]) -> None:
    for key, value in entries.items():
        if key in axes:
            raise ConfigError(f"{where}.{key} is not allowed: the sweep sets it by {axes[key]}")
        if key in _SET_BY_SWEEPS and value not in _SET_BY_SWEEPS[key]:
            raise ConfigError(
                f"{where}.{key} = {value!r} is not allowed: a sweep sets it for every trial, leave it out"
            )


def _check_values(space: dict[str, Any], where: str) -> None:
    """Refuse keys that change no result, and values that a key of ours never has, also where no method reads it."""
    for key, choices in space.items():
        if not is_identifying(key):
            raise ConfigError(f"{where}.{key} is not allowed: it changes no result, set its one value under keys")
        if key in _OF_CHOICE:
            raise ConfigError(f"{where}.{key} is not allowed: settings are compared by one metric, set it under keys")
        if key in own_keys():
            for value in ends(choices):
                own_keys()[key].allowed.check(f"{where}.{key}", value)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_SEED


def _repeats(values: list[Any]) -> bool:
    return len(set(values)) < len(values)
