"""What a sweep consists of: a yaml file, its cells, and the trials of each cell."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from recbole_mdcns.config import MDCNSConfig
from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.keys import nearest
from recbole_mdcns.negatives import STRATEGIES, resolve_strategy
from recbole_mdcns.trainer.checkpoint import FREE_KEYS
from recbole_mdcns.tuning.space import check_space, draws, grid
from recbole_mdcns.values import plain_value
from recbole_mdcns.yaml_files import read_yaml

#: Keys that change the result of a run and are no settings of its training state.
_PATHS = ("data_path", "split_file", "exposure_file")
_LENGTH = ("epochs", "stopping_step", "eval_step", "valid_metric", "metrics", "topk")


@dataclass(frozen=True)
class Cell:
    """One entry of a table: everything that is compared, but for seed and hyperparameters."""

    dataset: str
    protocol: str
    model: str
    peer: str | None
    sampler: str
    loss: str

    def __str__(self) -> str:
        peer = f"+{self.peer}" if self.peer else ""
        return f"{self.dataset}/{self.protocol}/{self.model}{peer}/{self.sampler}/{self.loss}"


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        cell: The cell that it belongs to.
        setting: Its hyperparameters.
        seed: Its seed.
        values: The resolved configuration, plain.
        paths: Its keys that name files or folders, absolute: a worker runs elsewhere.
        command: The command line that does the same without a sweep.
        key: What it is known by: the same content gives the same key.
    """

    cell: Cell
    setting: dict[str, Any]
    seed: int
    values: dict[str, Any]
    paths: dict[str, str]
    command: list[str]
    key: str


@dataclass
class Sweep:
    """A sweep as its yaml file says it; see ``properties/sweep`` for what each key means."""

    name: str
    datasets: list[str]
    models: list[str]
    samplers: list[str] = field(default_factory=lambda: ["mdcns"])
    peers: list[str | None] = field(default_factory=lambda: [None])
    losses: list[str] = field(default_factory=lambda: ["BCE"])
    protocols: list[str] = field(default_factory=lambda: ["leave_one_out"])
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    keys: dict[str, Any] = field(default_factory=dict)
    dataset_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    space: dict[str, dict[str, Any]] = field(default_factory=dict)
    search: str = "grid"
    samples: int = 10
    scheduler: str = "fifo"
    trial_hours: float | None = None
    retries: int = 1
    cpus: float = 1
    gpus: float = 0
    max_concurrent: int | None = None

    @property
    def is_adaptive(self) -> bool:
        """Whether a search chooses settings by the results of others, so that nobody can list them before."""
        return self.search in ("optuna", "hyperopt")


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
}
_KIND = {int: "a whole number", float: "a number"}
#: Keys of a run that a sweep has an axis for.
_AXES = {
    "dataset": "datasets", "model": "models", "peer_model": "peers", "neg_sampler": "samplers",
    "ranking_loss": "losses", "protocol": "protocols", "seed": "seeds",
}  # fmt: skip
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
    _check_keys(sweep, path)
    return sweep


def _check(sweep: Sweep, path: str | Path) -> None:
    for key in _LISTS:
        found = getattr(sweep, key)
        if not isinstance(found, list) or not found:
            raise ConfigError(f"{path}: {key} = {found!r} is not allowed: give a list of at least one")
    for key, allowed in _CHOICES.items():
        if getattr(sweep, key) not in allowed:
            raise ConfigError(f"{path}: {key} = {getattr(sweep, key)!r} is not allowed: choose {', '.join(allowed)}")
    for key, (kind, least, may_miss) in _NUMBERS.items():
        found = getattr(sweep, key)
        is_number = isinstance(found, (int, float) if kind is float else int) and not isinstance(found, bool)
        if not (found is None and may_miss) and not (is_number and found >= least):
            raise ConfigError(f"{path}: {key} = {found!r} is not allowed: give {_KIND[kind]} of at least {least}")
    for key in ("keys", "dataset_keys", "space"):
        if not isinstance(getattr(sweep, key), dict):
            raise ConfigError(f"{path}: {key} = {getattr(sweep, key)!r} is not allowed: give names and values")


def _check_keys(sweep: Sweep, path: str | Path) -> None:
    places = {"keys": sweep.keys}
    for key in ("space", "dataset_keys"):
        for name, entries in getattr(sweep, key).items():
            if key == "space" and name not in (*STRATEGIES, "all") and ":" not in name:
                raise ConfigError(f"{path}: {key}.{name} is not allowed: choose all, {', '.join(STRATEGIES)}")
            if not isinstance(entries, dict):
                raise ConfigError(f"{path}: {key}.{name} = {entries!r} is not allowed: give names and values")
            places[f"{key}.{name}"] = entries
    for place, entries in places.items():
        for key in entries:
            if key in _AXES:
                raise ConfigError(f"{path}: {place}.{key} is not allowed: {_AXES[key]} of the sweep say that")
    for name, space in sweep.space.items():
        check_space(space, f"{path}: space.{name}")


def cells(sweep: Sweep) -> list[Cell]:
    """Return the cells of a sweep; a sampler without peers occurs once, whatever the peers."""
    found: dict[Cell, None] = {}
    axes = (sweep.datasets, sweep.protocols, sweep.models, sweep.peers, sweep.samplers, sweep.losses)
    for dataset, protocol, model, peer, sampler, loss in itertools.product(*axes):
        needs_peer = resolve_strategy(sampler).needs_peer
        found[Cell(dataset, protocol, model, peer if needs_peer else None, sampler, loss)] = None
    return list(found)


def space_of(sweep: Sweep, cell: Cell) -> dict[str, Any]:
    """Return what is tried in a cell: values or a distribution for each key."""
    return {**sweep.space.get("all", {}), **sweep.space.get(cell.sampler, {})}


def settings_of(sweep: Sweep, cell: Cell) -> list[dict[str, Any]]:
    """Return the hyperparameters that a cell is tried with: a grid, or random draws."""
    space = space_of(sweep, cell)
    if sweep.search == "grid":
        return grid(space, f"space.{cell.sampler}")
    return draws(space, sweep.samples, seed=int(hashlib.sha256(str(cell).encode()).hexdigest()[:8], 16))


def trials(sweep: Sweep) -> Iterator[Trial]:
    """Yield every trial of a sweep, each configuration checked.

    Raises:
        ConfigError: A key or value of the sweep cannot be used; names the cell.
    """
    for cell in cells(sweep):
        for setting in settings_of(sweep, cell):
            for seed in sweep.seeds:
                yield make_trial(sweep, cell, setting, seed)


def make_trial(sweep: Sweep, cell: Cell, setting: dict[str, Any], seed: int) -> Trial:
    """Resolve the configuration of a trial.

    Raises:
        ConfigError: It cannot be used; names the cell.
    """
    own = {"protocol": cell.protocol, "neg_sampler": cell.sampler, "ranking_loss": cell.loss, "seed": seed}
    peer = {"peer_model": cell.peer} if cell.peer else {}
    given = {**sweep.keys, **sweep.dataset_keys.get(cell.dataset, {}), **setting, **own, **peer}
    try:
        config = MDCNSConfig(cell.model, cell.dataset, config_dict=given)
        values = config.plain()
    except UserError as error:
        raise ConfigError(f"{cell}: {error}") from error
    paths = {name: str(Path(values[name]).absolute()) for name in _PATHS if values[name]}
    keys = {"model": cell.model, "dataset": cell.dataset, **given}
    command = ["run_recbole_mdcns", *(f"--{key}={value}" for key, value in keys.items())]
    return Trial(cell, setting, seed, values, paths, command, content_key(values))


def content_key(values: dict[str, Any]) -> str:
    """Return sixteen hexadecimal digits that stand for what a configuration's result depends on."""
    content = {key: value for key, value in values.items() if key not in FREE_KEYS or key in _LENGTH}
    return hashlib.sha256(json.dumps(plain_value(content), sort_keys=True).encode()).hexdigest()[:16]
