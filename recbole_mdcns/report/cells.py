"""From records to what stands in a table: mean and spread over seeds, the best, and what is more than chance."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recbole_mdcns.errors import UserError
from recbole_mdcns.evaluation.significance import values_of_users
from recbole_mdcns.report.gains import Gain, set_gains
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.paper import METHODS, ROLES, Row, printed, released_ranges
from recbole_mdcns.tuning.grid import Cell
from recbole_mdcns.tuning.selection import by_cell, choose, common_seeds

Record = dict[str, Any]
Budget = tuple[int, int]


@dataclass
class Line:
    """A line of a table with what the records say; without records, nothing but the paper's values.

    Attributes:
        row: Which line.
        runs: Records of the chosen setting by seed, those whose test metrics were read.
        tried: How many settings validation chose from.
        tried_with: The seeds that it chose by.
        block_budget: The budget that its block is compared at; None for a block without records.
        block_seeds: The seeds of the block.
        paper: The paper's values by metric.
        gains: Of MDCNS over the best of the paper's baselines, by metric.
        against: Of MDCNS over every other line on the last metric, by method.
    """

    row: Row
    runs: dict[int, Record] = field(default_factory=dict)
    tried: int = 0
    tried_with: list[int] = field(default_factory=list)
    block_budget: Budget | None = None
    block_seeds: list[int] = field(default_factory=list)
    paper: dict[str, float] = field(default_factory=dict)
    gains: dict[str, Gain] = field(default_factory=dict)
    against: dict[str, Gain] = field(default_factory=dict)

    def values(self, metric: str, seeds: Iterable[int] | None = None) -> list[float]:
        """Return our test values of all seeds, or of some."""
        return [self.runs[seed]["test"][self.role][metric] for seed in (self.runs if seeds is None else seeds)]

    def mean(self, metric: str) -> float | None:
        """Return the mean of our values; None without any."""
        return statistics.mean(self.values(metric)) if self.runs else None

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation of our values; None for fewer than two."""
        return statistics.stdev(self.values(metric)) if len(self.runs) > 1 else None

    def of_users(self, metric: str, seeds: Iterable[int]) -> np.ndarray | None:
        """Return the metric of every test user, the mean over seeds; None where a record has no places."""
        runs = [self.runs[seed] for seed in seeds]
        if not runs or any(not (run.get("test_places") or {}).get(self.role) for run in runs):
            return None
        found = [values_of_users(run["test_places"][self.role], run.get("test_users"), metric) for run in runs]
        return np.mean(found, axis=0)

    def released(self) -> dict[str, tuple[float, float, float]]:
        """Return lowest, median and highest value of the released grid by metric, where they are known."""
        row = self.row
        mine = (row.dataset, row.backbone, row.peer or "", row.loss)
        return {key[-1]: found for key, found in released_ranges().items() if row.is_ours and key[:-1] == mine}

    @property
    def role(self) -> str:
        """Whose test metrics count: the self model's, or the ensemble's."""
        return ROLES.get(METHODS[self.row.method], "self")

    @property
    def is_compared(self) -> bool:
        """Whether it has runs, of the budget that its block is compared at."""
        return any(budget(run) == self.block_budget for run in self.runs.values())

    @property
    def budget(self) -> str:
        """The most epochs and the patience that the runs had."""
        return ", ".join(sorted({shown_budget(budget(run)) for run in self.runs.values()}))

    @property
    def setting(self) -> str:
        """The chosen hyperparameters, and of how many settings they are the best on validation."""
        if not self.runs:
            return ""
        setting = next(iter(self.runs.values()))["trial"]["setting"]
        text = ", ".join(f"{key} {value}" for key, value in setting.items()) or "defaults"
        by_seeds = f" by seed {', '.join(map(str, self.tried_with))}" if set(self.tried_with) != set(self.runs) else ""
        return text + (f" (best of {self.tried}{by_seeds})" if self.tried > 1 else "")


def budget(record: Record) -> Budget:
    """Return the most epochs that a run had, and its patience."""
    return record["config"]["epochs"], record["config"]["stopping_step"]


def shown_budget(found: Budget) -> str:
    """Return a budget as text."""
    return f"{found[0]} / {found[1]}"


def chosen_cells(records: Sequence[Record]) -> Iterator[tuple[Budget, dict[str, list[Record]], list[Record]]]:
    """Yield, by budget and cell, the records of all its settings and those of the setting that validation chose."""
    for of_budget in sorted({budget(record) for record in records}):
        for _, settings in sorted(by_cell(record for record in records if budget(record) == of_budget).items()):
            chosen = choose(settings, common_seeds(settings))
            yield of_budget, settings, sorted(chosen, key=lambda record: record["trial"]["seed"])


def unique(records: Iterable[Record]) -> list[Record]:
    """Return each trial once, and those that failed not at all.

    Raises:
        UserError: Two records of the same trial have different results.
    """
    found: dict[str, Record] = {}
    for record in records:
        if record["status"] == "failed":
            continue
        key = record["trial"]["key"]
        other = found.setdefault(key, record)
        if other["valid"] != record["valid"] or (other["test"] and record["test"] and other["test"] != record["test"]):
            raise UserError(
                f"two records of trial {key} ({Cell(**record['trial']['cell'])}, seed {record['seed']}) have different "
                "results: remove one"
            )
        if not other["test"] and record["test"]:
            found[key] = record
    return list(found.values())


def fill(rows: Sequence[Row], records: Sequence[Record], metrics: Sequence[str]) -> list[Line]:
    """Return the lines of a table.

    The lines of a block are compared at one budget, that of most of them; a line without it shows what it has, and is
    compared with none. Of a line's settings the one that validation chose counts.

    Args:
        rows: The lines.
        records: Of all trials, each once; see :func:`unique`.
        metrics: The metrics shown.

    Raises:
        UserError: Two records of a line have the same setting, seed and budget, or one lacks a metric.
    """
    found = {row: _by_budget(row, records) for row in rows}
    common: dict[tuple[str, str, str], Counter[Budget]] = defaultdict(Counter)
    for row, budgets in found.items():
        common[row.block].update(list(budgets))
    lines = []
    for row, budgets in found.items():
        line = Line(row, paper=printed().get(row, {}))
        if common[row.block]:
            line.block_budget = max(common[row.block].items(), key=lambda item: (item[1], item[0]))[0]
            if budgets:
                own = line.block_budget if line.block_budget in budgets else max(budgets)
                line.runs, line.tried, line.tried_with = _chosen(budgets[own])
        lines.append(line)
        for run in line.runs.values():
            need_metrics(run, metrics, line.role)
    for line in lines:
        block = [other for other in lines if other.row.block == line.row.block and other.is_compared]
        line.block_seeds = sorted({seed for other in block for seed in other.runs})
    set_gains(lines, metrics)
    return lines


def _by_budget(row: Row, records: Sequence[Record]) -> dict[Budget, list[Record]]:
    found: dict[Budget, list[Record]] = defaultdict(list)
    for record in records:
        if row.is_cell(Cell(**record["trial"]["cell"])):
            found[budget(record)].append(record)
    return {key: mine for key, mine in found.items() if any(record["test"] for record in mine)}


def _chosen(records: Sequence[Record]) -> tuple[dict[int, Record], int, list[int]]:
    """Return the records with test metrics of the setting that validation chose, by seed, of how many, by which seeds.

    Raises:
        UserError: Two records have the same setting and seed.
    """
    settings = {
        cell + setting: found for cell, by_setting in by_cell(records).items() for setting, found in by_setting.items()
    }
    for found in settings.values():
        for seed, number in Counter(record["trial"]["seed"] for record in found).items():
            if number > 1:
                keys = " and ".join(r["trial"]["key"] for r in found if r["trial"]["seed"] == seed)
                cell = Cell(**found[0]["trial"]["cell"])
                raise UserError(
                    f"trials {keys} are all {cell}, seed {seed}, and differ in other keys: remove all but one"
                )
    if not settings:
        return {}, 0, []
    seeds = common_seeds(settings)
    chosen = choose(settings, seeds)
    read = sorted((record for record in chosen if record["test"]), key=lambda record: record["trial"]["seed"])
    return {record["trial"]["seed"]: record for record in read}, len(settings), seeds
