"""The yaml file of a sweep, and everything that can be wrong with it before any configuration is built."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.keys import nearest
from recbole_mdcns.negatives import STRATEGIES
from recbole_mdcns.tuning.space import check_space
from recbole_mdcns.yaml_files import properties_dir, read_yaml


@dataclass
class Sweep:
    """A sweep as its yaml file says it; ``docs/sweeps.md`` says what each key means.

    ``methods`` holds those of ``properties/methods.yaml`` too.
    """

    name: str
    datasets: list[str]
    models: list[str]
    samplers: list[str] = field(default_factory=lambda: ["mdcns"])
    peers: list[str | None] = field(default_factory=lambda: [None])
    losses: list[str] = field(default_factory=lambda: ["BCE"])
    protocols: list[str] = field(default_factory=lambda: ["leave_one_out"])
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    tune_seeds: list[int] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    dataset_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    space: dict[str, dict[str, Any]] = field(default_factory=dict)
    search: str = "grid"
    samples: int = 10
    scheduler: str = "fifo"
    trial_hours: float | None = None
    sweep_hours: float | None = None
    retries: int = 1
    cpus: float = 1
    gpus: float = 0
    max_concurrent: int | None = None

    @property
    def is_adaptive(self) -> bool:
        """Whether a search chooses settings by the results of others, so that nobody can list them before."""
        return self.search in ("optuna", "hyperopt")

    @property
    def choice_seeds(self) -> list[int]:
        """The seeds that every setting is tried with; the chosen one gets the others of ``seeds`` too."""
        return self.tune_seeds or self.seeds


_CHOICES = {
    "search": ("grid", "random", "optuna", "hyperopt"),
    "scheduler": ("fifo", "asha", "median"),
}
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
_AXES = {**_RUN_AXES, "peer_model": "peers", "neg_sampler": "samplers", "ranking_loss": "losses"}
_LISTS = ("datasets", "models", "samplers", "peers", "losses", "protocols", "seeds")


def read_sweep(path: str | Path, keys: dict[str, Any] | None = None, **overrides: Any) -> Sweep:
    """Read a sweep from its yaml file.

    Args:
        path: The file.
        keys: Keys fixed for all runs, besides those of the file.
        **overrides: Fields to replace; None leaves what the file says.

    Raises:
        ConfigError: A key is unknown, missing or has a value that is not allowed.
    """
    content = {"name": Path(path).stem, **read_yaml(path)}
    names = [each.name for each in fields(Sweep)]
    for key in content:
        if key not in names:
            raise ConfigError(f"{path}: there is no key {key}{nearest(key, names)}. Allowed are {', '.join(names)}")
    for key in ("datasets", "models"):
        if key not in content and overrides.get(key) is None:
            raise ConfigError(f"{path}: {key} is missing: give a list")
    sweep = replace(
        Sweep(**{"datasets": [], "models": [], **content}),
        **{key: value for key, value in overrides.items() if value is not None},
    )
    _check(sweep, path)
    sweep.keys = {**sweep.keys, **(keys or {})}
    sweep.methods = {**read_yaml(properties_dir() / "methods.yaml"), **sweep.methods}
    _check_keys(sweep, path)
    return sweep


def _check(sweep: Sweep, path: str | Path) -> None:
    if not isinstance(sweep.name, str) or not sweep.name:
        raise ConfigError(f"{path}: name = {sweep.name!r} is not allowed: give the name of a folder")
    for key in _LISTS:
        found = getattr(sweep, key)
        if not isinstance(found, list) or not found:
            raise ConfigError(f"{path}: {key} = {found!r} is not allowed: give a list of at least one")
        if key != "seeds" and any(each is not None and not isinstance(each, str) for each in found):
            raise ConfigError(f"{path}: {key} = {found!r} is not allowed: give names")
    if any(isinstance(seed, bool) or not isinstance(seed, int) for seed in sweep.seeds) or _repeats(sweep.seeds):
        raise ConfigError(f"{path}: seeds = {sweep.seeds!r} is not allowed: give whole numbers, each once")
    tuned = sweep.tune_seeds
    if not isinstance(tuned, list) or any(seed not in sweep.seeds for seed in tuned) or _repeats(tuned):
        raise ConfigError(f"{path}: tune_seeds = {tuned!r} is not allowed: choose of seeds, {sweep.seeds}, each once")
    for key, allowed in _CHOICES.items():
        if getattr(sweep, key) not in allowed:
            raise ConfigError(f"{path}: {key} = {getattr(sweep, key)!r} is not allowed: choose {', '.join(allowed)}")
    for key, (kind, least, may_miss) in _NUMBERS.items():
        found = getattr(sweep, key)
        is_number = isinstance(found, (int, float) if kind is float else int) and not isinstance(found, bool)
        if not (found is None and may_miss) and not (is_number and found >= least):
            raise ConfigError(f"{path}: {key} = {found!r} is not allowed: give {_KIND[kind]} of at least {least}")
    for key in ("keys", "dataset_keys", "methods", "space"):
        if not isinstance(getattr(sweep, key), dict):
            raise ConfigError(f"{path}: {key} = {getattr(sweep, key)!r} is not allowed: give names and values")


def _repeats(values: list[Any]) -> bool:
    return len(set(values)) < len(values)


def _check_keys(sweep: Sweep, path: str | Path) -> None:
    names = [*STRATEGIES, *sweep.methods]
    for name in [*sweep.samplers, *sweep.space]:
        if name not in (*names, "all") and ":" not in str(name):
            hint = nearest(str(name), names)
            raise ConfigError(f"{path}: there is no sampler or method {name}{hint}. Allowed are {', '.join(names)}")
    places = {"keys": (sweep.keys, _AXES)}
    for key, axes in (("space", _AXES), ("dataset_keys", _AXES), ("methods", _RUN_AXES)):
        for name, entries in getattr(sweep, key).items():
            if not isinstance(entries, dict):
                raise ConfigError(f"{path}: {key}.{name} = {entries!r} is not allowed: give names and values")
            places[f"{key}.{name}"] = (entries, axes)
    for place, (entries, axes) in places.items():
        for key in entries:
            if key in axes:
                raise ConfigError(f"{path}: {place}.{key} is not allowed: {axes[key]} of the sweep say that")
    for name in sweep.methods:
        if name in STRATEGIES:
            raise ConfigError(f"{path}: methods.{name} is not allowed: there is a neg_sampler of that name")
    for name, space in sweep.space.items():
        check_space(space, f"{path}: space.{name}")
