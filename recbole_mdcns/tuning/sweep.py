"""A sweep: its axes, the settings to try, and how its trials run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Searches that choose settings from the results of others.
ADAPTIVE = ("optuna", "hyperopt")


@dataclass
class Sweep:
    """The content of a sweep's yaml file; ``docs/sweeps.md`` explains each key.

    ``method_keys`` also holds the methods of ``properties/methods.yaml``.

    Attributes:
        origin: The file, for messages.
        by_option: The keys of ``keys`` that the command line set.
    """

    name: str
    datasets: list[str]
    models: list[str]
    methods: list[str] = field(default_factory=lambda: ["mdcns"])
    peers: list[str | None] = field(default_factory=lambda: [None])
    losses: list[str] = field(default_factory=lambda: ["BCE"])
    protocols: list[str] = field(default_factory=lambda: ["leave_one_out"])
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    tune_seeds: list[int] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    dataset_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    method_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
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
    origin: str = ""
    by_option: frozenset[str] = frozenset()

    @property
    def is_adaptive(self) -> bool:
        """Whether a search chooses settings from the results of others; they cannot be listed in advance."""
        return self.search in ADAPTIVE

    @property
    def choice_seeds(self) -> list[int]:
        """The seeds that every setting is tried with; the chosen setting also runs with the rest of ``seeds``."""
        return self.tune_seeds or self.seeds

    def keys_of_method(self, method: str) -> dict[str, Any]:
        """Return the keys that a method stands for: those of its name, or a strategy."""
        return self.method_keys.get(method, {"neg_sampler": method})
