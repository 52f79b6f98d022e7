"""The yaml file of a sweep."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml
from recbole_mdcns.tuning.sweep_checks import check_entries, check_fields


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
    check_fields(sweep, path)
    sweep.keys = {**sweep.keys, **(keys or {})}
    sweep.methods = {**read_yaml(properties_dir() / "methods.yaml"), **sweep.methods}
    check_entries(sweep, path, {key: _names(content.get(key)) for key in ("datasets", "samplers")})
    return sweep


def _names(found: Any) -> list[str]:
    """Return the names that a list of the file holds, where options replaced it unseen."""
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
