"""What the driver of a sweep asks of an engine, which runs trials side by side: Ray, or processes of this machine."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from recbole.utils.argument_list import dataset_arguments

from recbole_mdcns.records.cell import Cell
from recbole_mdcns.tuning.grid import Trial
from recbole_mdcns.tuning.sweep import Sweep

#: Trials that an engine gave up, and why.
Lost = list[tuple[Trial, str]]
#: Keys that decide what a loaded dataset holds, before it is split.
_DATA_KEYS = (*dataset_arguments, "dataset", "data_path", "encoding", "pad_side", "strict_data", "expected_statistics")


class Engine(Protocol):
    """Runs the trials of sweeps. It costs nothing before :meth:`start`, and what that started ends with :meth:`close`.

    Attributes:
        seconds_left: Seconds until the sweep's hours are over; infinite without such.
    """

    @property
    def seconds_left(self) -> float: ...

    def start(self) -> None:
        """Get ready, unless that is done.

        Raises:
            ConfigError: The engine is not there, or a trial asks for more than there is.
        """

    def close(self) -> None:
        """End what :meth:`start` started."""

    def load(self, trial: Trial) -> None:
        """Read the dataset of a trial, unless that is done, and so see that it can be read.

        Raises:
            DataError: It cannot.
        """

    def each(self, job: Callable[..., Any], plan: Sequence[Trial], *arguments: Any) -> None:
        """Call ``job(trial, store, dataset, *arguments)`` for every trial, each with the resources of a training.

        Raises:
            UserError: What a job says.
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
            sweep: Whose space it is.
            cell: The cell.
            seed: Of the trials, and of the search.
            tried: Settings that were begun before: the search is told of them first, and they count as samples.

        Raises:
            ConfigError: The engine, or an installed package, cannot search.
            KeyboardInterrupt: It was interrupted.
        """


class Clock:
    """The hours of a sweep, from now on.

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
    """Return what configurations share that load the same data."""
    return json.dumps({name: values.get(name) for name in _DATA_KEYS}, sort_keys=True)
