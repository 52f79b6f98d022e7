"""From records to what stands in a table: mean and spread over seeds, the best, and what is more than chance."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paper_tables.layout import ROLES, Row, printed, released_ranges
from paper_tables.significance import bootstrap, holm, paired_t, values_of_users
from recbole_mdcns.errors import UserError
from recbole_mdcns.tuning.grid import Cell
from recbole_mdcns.tuning.select import by_cell, choose

Record = dict[str, Any]


@dataclass
class Gain:
    """MDCNS against the best baseline of its block, on one metric.

    Attributes:
        baseline: The line with the highest mean among those that are not MDCNS.
        relative: How much higher the mean is, as a part of the baseline's.
        p_seeds: Of the paired t-test over seeds; None for fewer than two.
        p_users: Of the paired t-test over users, the mean over seeds of each; None without places in the records.
        interval: Of the mean difference over users, bootstrap, 95 %.
        corrected: The p over users after Holm's correction over the blocks of the table.
    """

    baseline: Line
    relative: float
    p_seeds: float | None = None
    p_users: float | None = None
    interval: tuple[float, float] | None = None
    corrected: float | None = None


@dataclass
class Line:
    """A line of a table with what the records say; without records, nothing but the paper's values.

    Attributes:
        row: Which line.
        runs: Records of the chosen setting by seed.
        paper: The paper's values by metric.
        gains: Of MDCNS, by metric.
    """

    row: Row
    runs: dict[int, Record] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)
    gains: dict[str, Gain] = field(default_factory=dict)

    def values(self, metric: str) -> list[float]:
        """Return our test values by seed."""
        return [run["test"][self.role][metric] for run in self.runs.values()]

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

    def released(self, metric: str) -> tuple[float, float, float] | None:
        """Return the range of the released grid, where it is known."""
        row = self.row
        if row.method not in ("MDCNS", "MDCNS-wts"):
            return None
        return released_ranges().get((row.dataset, row.backbone, row.peer or "", row.loss, metric))

    @property
    def role(self) -> str:
        """Whose test metrics count: the self model's, or the ensemble's."""
        return ROLES.get(self.row.method, "self")

    @property
    def budget(self) -> str:
        """The most epochs and the patience that the runs had."""
        return ", ".join(sorted({budget(run) for run in self.runs.values()}))


def budget(record: Record) -> str:
    """Return the most epochs that a run had, and its patience."""
    return f"{record['config']['epochs']} / {record['config']['stopping_step']}"


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

    Of a line's records those with the largest budget count, and of these the setting that validation chose.

    Args:
        rows: The lines.
        records: Of all trials, each once; see :func:`unique`.
        metrics: The metrics shown.
    """
    lines = [Line(row, _chosen(row, records), printed().get(row, {})) for row in rows]
    for line in lines:
        if line.runs and line.row.method.startswith("MDCNS"):
            block = [other for other in lines if _block(other) == _block(line) and not other.row.is_ours and other.runs]
            line.gains = {metric: _gain(line, block, metric) for metric in metrics} if block else {}
    for metric in metrics:
        tested = [line.gains[metric] for line in lines if metric in line.gains]
        tested = [gain for gain in tested if gain.p_users is not None]
        for gain, corrected in zip(tested, holm([gain.p_users for gain in tested if gain.p_users is not None])):
            gain.corrected = corrected
    return lines


def _chosen(row: Row, records: Sequence[Record]) -> dict[int, Record]:
    mine = [record for record in records if row.is_cell(Cell(**record["trial"]["cell"]))]
    if not mine:
        return {}
    sizes = {(r["config"]["epochs"], r["config"]["stopping_step"]) for r in mine}
    mine = [r for r in mine if (r["config"]["epochs"], r["config"]["stopping_step"]) == max(sizes)]
    settings = {text: found for by_setting in by_cell(mine).values() for text, found in by_setting.items()}
    seeds = {record["trial"]["seed"] for record in mine}
    chosen = choose(settings, seeds) if settings else []
    for record in chosen:
        if not record["test"]:
            raise UserError(f"trial {record['trial']['key']} was chosen and has no test metrics: finish its sweep")
    return {record["trial"]["seed"]: record for record in sorted(chosen, key=lambda r: r["trial"]["seed"])}


def _gain(line: Line, block: Sequence[Line], metric: str) -> Gain:
    best = max(block, key=lambda other: other.mean(metric) or 0.0)
    ours, theirs = line.mean(metric) or 0.0, best.mean(metric) or 0.0
    gain = Gain(best, ours / theirs - 1 if theirs else 0.0)
    seeds = [seed for seed in line.runs if seed in best.runs]
    pairs = [(line.runs[s]["test"][line.role][metric], best.runs[s]["test"][best.role][metric]) for s in seeds]
    gain.p_seeds = paired_t(*zip(*pairs)) if len(pairs) > 1 else None
    mine, other = line.of_users(metric, seeds), best.of_users(metric, seeds)
    if mine is not None and other is not None and len(mine) == len(other) and _same_split(line, best, seeds):
        gain.p_users, gain.interval = paired_t(mine, other), bootstrap(mine - other)
    return gain


def _same_split(line: Line, other: Line, seeds: Iterable[int]) -> bool:
    """Tell whether both were tested on the same rows in the same order."""
    keys = ("split_seed", "split_ratio", "split_file", "eval_prefixes", "MAX_ITEM_LIST_LENGTH")

    def split(record: Record) -> str:
        return json.dumps([record["data"], *(record["config"].get(key) for key in keys)], sort_keys=True)

    return all(split(line.runs[seed]) == split(other.runs[seed]) for seed in seeds)


def _block(line: Line) -> tuple[str, str, str]:
    return line.row.dataset, line.row.backbone, line.row.loss
