"""The chosen setting of each cell of a sweep, by validation only, and tables of all records."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.record import AnyRecord, Failure, Record

#: Records by setting, as text.
Settings = dict[str, list[Record]]


def by_cell(records: Iterable[AnyRecord]) -> dict[Cell, Settings]:
    """Return, by cell and setting, the records that did not fail and have a validation."""
    cells: dict[Cell, Settings] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if isinstance(record, Record) and record.best_valid_score is not None:
            cells[record.cell][json.dumps(record.trial.setting, sort_keys=True)].append(record)
    return cells


def choose(settings: Settings, seeds: Sequence[int]) -> list[Record]:
    """Return the records of the best setting of a cell: the highest mean score on validation over the seeds.

    Settings that lack a seed are left out as long as another has all of them. Records with other seeds decide nothing,
    and are returned with their setting. Of equal settings the first by its text is chosen, wherever the records lie.

    Raises:
        UserError: Their epochs were chosen by different metrics.
    """
    by_metric = {record.valid_metric.lower(): record for mine in settings.values() for record in mine}
    if len(by_metric) > 1:
        named = " and ".join(f"{record.trial.key} by {metric}" for metric, record in sorted(by_metric.items()))
        raise UserError(f"trials of one method were validated by different metrics, {named}: give records of one")
    complete = {text: mine for text, mine in settings.items() if {record.seed for record in mine} >= set(seeds)}
    return max((mine for _, mine in sorted((complete or settings).items())), key=lambda mine: _score(mine, seeds))


def common_seeds(settings: Settings) -> list[int]:
    """Return the seeds to compare the settings of a cell on: those that all have, or else those that most have."""
    of_each = [{record.seed for record in mine} for mine in settings.values()]
    number = Counter(seed for seeds in of_each for seed in seeds)
    return sorted(seed for seed in number if number[seed] == max(number.values()))


def chosen_records(records: Iterable[AnyRecord], seeds: Sequence[int]) -> list[Record]:
    """Return the records of the chosen settings of all cells."""
    return [record for settings in by_cell(records).values() for record in choose(settings, seeds)]


def _score(records: Sequence[Record], seeds: Sequence[int]) -> float:
    compared = [record for record in records if record.seed in seeds] or records
    return statistics.mean(record.score(record.valid["self"]) for record in compared)


def best_table(records: Iterable[AnyRecord], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return a row per cell: the chosen setting, and mean and standard deviation over seeds."""
    rows = []
    for cell, settings in by_cell(records).items():
        chosen = choose(settings, seeds)
        metric = chosen[0].valid_metric.lower()
        row = {**cell.to_json(), "setting": chosen[0].trial.setting, "settings": len(settings)}
        row["seeds"] = sorted(record.seed for record in chosen)
        for split, results in (("valid", [r.valid for r in chosen]), ("test", [r.test for r in chosen])):
            values = [result["self"][metric] for result in results if result] if all(results) else []
            row[f"{split} {metric}"] = statistics.mean(values) if values else None
            row[f"{split} sd"] = statistics.stdev(values) if len(values) > 1 else None
        rows.append(row)
    return rows


def flat_rows(records: Sequence[AnyRecord], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return a row per record: cell, setting, seed, status, metrics of self on validation and, if chosen, on test.

    Args:
        records: Records of a sweep.
        seeds: Those that choose.
    """
    chosen = {record.trial.key for record in chosen_records(records, seeds)}
    rows = []
    for record in records:
        trial = record.trial
        row = {"key": trial.key, **trial.cell.to_json(), "seed": trial.seed, "status": record.status}
        row.update({f"setting.{name}": value for name, value in trial.setting.items()})
        if isinstance(record, Failure):
            row["error"] = record.reason
        else:
            row.update(best_epoch=record.best_epoch, epochs=len(record.epochs))
            row.update(seconds_per_epoch=record.seconds_per_epoch)
            test = record.test if trial.key in chosen else None
            for split, results in (("valid", record.valid), ("test", test or {})):
                row.update({f"{split}.{name}": value for name, value in results.get("self", {}).items()})
        rows.append(row)
    return rows
