"""What a trial costs: the epochs of similar trials, times the seconds of an epoch."""

from __future__ import annotations

import functools
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from recbole_mdcns.records.cell import AXES, Cell
from recbole_mdcns.records.record import Record

#: A trial still to run: its cell, and the most epochs that it may train.
Job = tuple[Cell, int]
#: What trials of the same kind share, from close to far.
_LIKENESS = (AXES, ("dataset", "model", "method"), ("dataset", "model"), ("dataset",))


class Prices:
    """The seconds of trials, from finished ones.

    An epoch of a cell with records takes their median. For other cells its time is a product of a factor for each
    dataset, protocol, backbone, peer, method and loss: least squares on the logarithms of the medians. A value that was
    never timed has the factor 1.

    Args:
        records: Of finished trials.
    """

    def __init__(self, records: Sequence[Record]):
        self.records = records
        times: dict[Cell, list[float]] = defaultdict(list)
        for record in records:
            times[record.cell].append(record.seconds_per_epoch)
        self.medians = {cell: statistics.median(of_cell) for cell, of_cell in times.items()}
        self._levels = list(dict.fromkeys(level for cell in self.medians for level in _levels(cell)))

    def seconds(self, job: Job) -> float | None:
        """Estimate the seconds of a trial; None if its dataset or its backbone was never timed.

        Its number of epochs is the mean of those of the most similar trials, without trials that reached a limit of
        epochs below its own.
        """
        cell, most = job
        if not {("dataset", cell.dataset), ("model", cell.model)} <= set(self._levels):
            return None
        alike = next(filter(None, (self._alike(cell, axes) for axes in _LIKENESS)))
        whole = [r for r in alike if len(r.epochs) < r.config["epochs"] or r.config["epochs"] >= most]
        epochs = statistics.mean([min(most, len(r.epochs)) for r in whole] or [most])
        return epochs * (self.medians[cell] if cell in self.medians else self._estimate(cell))

    def _alike(self, cell: Cell, axes: Sequence[str]) -> list[Record]:
        return [record for record in self.records if all(getattr(record.cell, a) == getattr(cell, a) for a in axes)]

    def _estimate(self, cell: Cell) -> float:
        mean, factors = self._fit
        return math.exp(mean + float(self._row(cell) @ factors))

    @functools.cached_property
    def _fit(self) -> tuple[float, np.ndarray]:
        """The mean logarithm of the medians, and the logarithm of each factor."""
        logs = np.log(np.maximum(list(self.medians.values()), 1e-9))
        rows = np.array([self._row(cell) for cell in self.medians])
        return float(logs.mean()), np.linalg.lstsq(rows, logs - logs.mean(), rcond=None)[0]

    def _row(self, cell: Cell) -> np.ndarray:
        mine = set(_levels(cell))
        return np.array([level in mine for level in self._levels], dtype=float)


def total_hours(rest: Sequence[Job], records: Sequence[Record]) -> float | None:
    """Return the hours of trials one after the other; None if the time of one of them is not known."""
    prices = Prices(records)
    known = {job: prices.seconds(job) for job in set(rest)}
    seconds = [known[job] for job in rest]
    return None if None in seconds else sum(filter(None, seconds)) / 3600


def _levels(cell: Cell) -> list[tuple[str, str | None]]:
    return [(axis, getattr(cell, axis)) for axis in AXES]
