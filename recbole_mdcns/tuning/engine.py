"""The interface of an engine, which runs the trials of a sweep side by side: Ray, or processes of this machine."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from recbole_mdcns.errors import FAILURE, UserError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.tuning.grid import Trial
from recbole_mdcns.tuning.one_data import READ
from recbole_mdcns.tuning.sweep import Sweep

#: Trials that an engine gave up, and why.
Lost = list[tuple[Trial, str]]
#: Keys that decide what a loaded dataset holds, before it is split.
_DATA_KEYS = (*READ, "data_path", "pad_side", "strict_data", "expected_statistics")


class LostWorkers(UserError):
    """The workers of a job ended, one after the other, for a reason that only their log or the system knows."""

    exit_code = FAILURE


class Engine(Protocol):
    """Runs the trials of sweeps. It costs nothing before :meth:`start`, and what that started ends with :meth:`close`.

    Attributes:
        seconds_left: Seconds until the sweep's hours are over; infinite without such.
    """

    @property
    def seconds_left(self) -> float: ...

    def start(self) -> None:
        """Get ready, unless the engine is ready already.

        Raises:
            ConfigError: The engine is not installed or not reachable, or a trial asks for more resources than there
                are.
        """

    def close(self) -> None:
        """End everything that :meth:`start` began."""

    def load(self, trial: Trial) -> None:
        """Read the dataset of a trial unless it has been read, to see that it can be read.

        Raises:
            DataError: It cannot be read.
        """

    def each(self, job: Callable[..., Any], plan: Sequence[Trial], *arguments: Any) -> None:
        """Call ``job(trial, store, dataset, *arguments)`` for every trial, each with the resources of a training.

        Raises:
            UserError: A job raised it.
            LostWorkers: A job has lost every worker that tried it.
        """

    def tune(self, plan: Sequence[Trial], scheduler: str) -> Lost:
        """Run trials side by side, each until it has a record, is stopped by the scheduler, or is given up.

        Args:
            plan: The trials.
            scheduler: As in a sweep's file.

        Returns:
            Those that were given up.

        Raises:
            KeyboardInterrupt: It was interrupted; what has been trained is on disk.
        """

    def search(self, sweep: Sweep, cell: Cell, seed: int, tried: Sequence[dict[str, Any]]) -> Lost:
        """Let Optuna or HyperOpt choose the settings of a cell; see :meth:`tune`.

        Args:
            sweep: The sweep, which has the space.
            cell: The cell.
            seed: Seed of the trials and of the search.
            tried: Settings that have begun before: the search learns of them first, and they count as samples.

        Raises:
            ConfigError: The engine, or an installed package, cannot search.
            KeyboardInterrupt: It was interrupted.
        """


class Timed:
    """What all engines share: the hours of a sweep, from now on.

    Args:
        hours: How many; None for no end.
    """

    def __init__(self, hours: float | None):
        self._end = math.inf if hours is None else time.monotonic() + 3600 * hours

    @property
    def seconds_left(self) -> float:
        """Seconds until they are over; infinite without such."""
        return self._end - time.monotonic()


def data_key(values: dict[str, Any]) -> str:
    """Return a key that is the same for all configurations that load the same data."""
    return json.dumps({name: values.get(name) for name in _DATA_KEYS}, sort_keys=True)
