"""What a trial costs: the epochs of similar trials, times the seconds of an epoch."""

from __future__ import annotations

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
        self._levels = sorted({level for cell in self.medians for level in _levels(cell)}, key=str)
        logs = np.log([max(seconds, 1e-9) for seconds in self.medians.values()])
        self._mean = float(logs.mean()) if len(logs) else 0.0
        rows = [self._row(cell) for cell in self.medians]
        self._factors = np.linalg.lstsq(np.array(rows), logs - self._mean, rcond=None)[0] if rows else np.zeros(0)

    def seconds(self, job: Job) -> float | None:
        """Estimate the seconds of a trial; None if its dataset or its backbone was never timed.

        Its number of epochs is the mean of those of the most similar trials, without trials that reached a limit of
        epochs below its own.
        """
        cell, epochs = job
        if not {("dataset", cell.dataset), ("model", cell.model)} <= set(self._levels):
            return None
        per_epoch = self.medians.get(cell) or math.exp(self._mean + float(self._row(cell) @ self._factors))
        return self._epochs(cell, epochs) * per_epoch

    def _epochs(self, cell: Cell, most: int) -> float:
        for names in _LIKENESS:
            alike = [r for r in self.records if all(getattr(r.cell, name) == getattr(cell, name) for name in names)]
            whole = [r for r in alike if len(r.epochs) < r.config["epochs"] or r.config["epochs"] >= most]
            if alike:
                return statistics.mean([min(most, len(r.epochs)) for r in whole] or [most])
        return most

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
