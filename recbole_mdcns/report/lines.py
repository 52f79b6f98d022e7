"""The lines of a table: the records that count, what stands beside them, and how far ahead our method is."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recbole_mdcns.evaluation.significance import values_of_users
from recbole_mdcns.records.paired_rows import same_rows
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.description import Budget, Row


@dataclass
class Line:
    """A line of a table with what the records say; without records, nothing but the values of the reference.

    Attributes:
        row: The description of the line.
        runs: Records of the chosen setting with test metrics, by seed.
        tried: How many settings validation chose from.
        tried_with: The seeds that it chose by.
        block_budget: The budget that its block is compared at; None for a block without records.
        block_seeds: The seeds of the block.
        has_other_rows: Whether it was tested on other rows than most lines of its block.
        reference: The values of the reference by metric.
        ranges: Lowest, median and highest value of our method elsewhere by metric, where they are known.
        gains: The gains of our method over the best baseline, by metric.
        against: The gains of our method over every other line on the last metric, by method.
    """

    row: Row
    runs: dict[int, Record] = field(default_factory=dict)
    tried: int = 0
    tried_with: list[int] = field(default_factory=list)
    block_budget: Budget | None = None
    block_seeds: list[int] = field(default_factory=list)
    has_other_rows: bool = False
    reference: dict[str, float] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    gains: dict[str, Gain] = field(default_factory=dict)
    against: dict[str, Gain] = field(default_factory=dict)

    def values(self, metric: str, seeds: Iterable[int] | None = None) -> list[float]:
        """Return our test values of all seeds, or of some."""
        results = [self.runs[seed].test or {} for seed in (self.runs if seeds is None else seeds)]
        return [result[self.row.method.role][metric] for result in results]

    def mean(self, metric: str) -> float | None:
        """Return the mean of our values; None without any."""
        return statistics.mean(self.values(metric)) if self.runs else None

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation of our values; None for fewer than two."""
        return statistics.stdev(self.values(metric)) if len(self.runs) > 1 else None

    def of_users(self, metric: str, seeds: Iterable[int]) -> np.ndarray | None:
        """Return the metric of every test user, the mean over seeds; None where a record has no places."""
        values = []
        for seed in seeds:
            rows = self.runs[seed].test_rows
            places = rows.of_role(self.row.method.role) if rows is not None else None
            if rows is None or places is None:
                return None
            values.append(values_of_users(places, metric, rows.user_of_row()))
        return np.mean(values, axis=0) if values else None

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.row.method.name

    @property
    def is_compared(self) -> bool:
        """Whether it has runs, of the budget and the test rows that its block is compared at."""
        return self.has_block_budget and not self.has_other_rows

    @property
    def has_block_budget(self) -> bool:
        """Whether it has runs of the budget that its block is compared at."""
        return any(budget(run) == self.block_budget for run in self.runs.values())

    @property
    def budget(self) -> str:
        """The most epochs and the patience that the runs had, what stopped one earlier, and whether rows differ."""
        runs = self.runs.values()
        budgets = sorted({shown_budget(budget(run)) for run in runs})
        stops = sorted({f"stopped {run.stopped}" for run in runs if run.stopped})
        return ", ".join([*budgets, *stops, *(["other test rows"] if self.has_other_rows else [])])

    @property
    def setting(self) -> str:
        """The chosen hyperparameters, and how many settings validation chose them from."""
        if not self.runs:
            return ""
        setting = next(iter(self.runs.values())).trial.setting
        text = ", ".join(f"{key} {value}" for key, value in setting.items()) or "defaults"
        by_seeds = f" by seed {', '.join(map(str, self.tried_with))}" if set(self.tried_with) != set(self.runs) else ""
        return text + (f" (best of {self.tried}{by_seeds})" if self.tried > 1 else "")


@dataclass
class Gain:
    """Our method against another line of its block, on one metric, over the seeds that both have.

    Attributes:
        baseline: The other line.
        metric: The metric.
        relative: How much higher the mean is, relative to the baseline's.
        seeds: The number of seeds that both have.
        p_seeds: The p-value of the paired t-test over seeds; None for fewer than two.
        p_users: The p-value of the paired t-test over users, on each user's mean over seeds; None without places.
        interval: The bootstrap interval (95 %) of the mean difference over users.
        corrected: The p over users after Holm's correction over all tests over users of the table.
        unpaired: Why there is no test over users, where the runs cannot be paired by user.
    """

    baseline: Line
    metric: str
    relative: float
    seeds: int
    p_seeds: float | None = None
    p_users: float | None = None
    interval: tuple[float, float] | None = None
    corrected: float | None = None
    unpaired: str = ""


def set_other_rows(lines: Sequence[Line]) -> None:
    """Mark the lines that were tested on other rows than most lines of their block at its budget."""
    for block in {line.row.block for line in lines}:
        mine = [line for line in lines if line.row.block == block and line.has_block_budget]
        alike = [[other for other in mine if same_rows(_first(line), _first(other))] for line in mine]
        most = max(alike, key=len, default=[])
        for line in mine:
            line.has_other_rows = not any(line is other for other in most)


def _first(line: Line) -> Record:
    return next(iter(line.runs.values()))


def budget(record: Record) -> Budget:
    """Return the most epochs that a run had, and its patience."""
    return record.config["epochs"], record.config["stopping_step"]


def shown_budget(epochs_and_patience: Budget) -> str:
    """Return a budget as text."""
    return "{} / {}".format(*epochs_and_patience)


def is_smaller_better(lines: Iterable[Line], metric: str) -> bool:
    """Tell whether less of a metric is better: where a record says so of the metric that chose its epoch."""
    return any(run.is_smaller_better(metric) for line in lines for run in line.runs.values())
