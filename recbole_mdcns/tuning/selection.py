"""What the records of a sweep say: the chosen setting of each cell, by validation alone, and tables of all of them."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from recbole.evaluator import smaller_metrics

from recbole_mdcns.records.store import FAILED
from recbole_mdcns.tuning.grid import Cell

Record = dict[str, Any]


def by_cell(records: Iterable[Record]) -> dict[str, dict[str, list[Record]]]:
    """Return records that did not fail by cell and setting, each as text."""
    found: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record["status"] != FAILED and record["best_valid_score"] is not None:
            cell, setting = (json.dumps(record["trial"][part], sort_keys=True) for part in ("cell", "setting"))
            found[cell][setting].append(record)
    return found


def choose(settings: dict[str, list[Record]], seeds: Sequence[int]) -> list[Record]:
    """Return the records of the best setting of a cell: the highest mean score on validation over the seeds.

    Settings that lack a seed are left out as long as another has all of them. Records with other seeds decide nothing,
    and are returned with their setting.
    """
    complete = {text: found for text, found in settings.items() if {r["trial"]["seed"] for r in found} >= set(seeds)}
    return max((complete or settings).values(), key=lambda found: _score(found, seeds))


def common_seeds(settings: dict[str, list[Record]]) -> list[int]:
    """Return the seeds on which the settings of a cell can be compared: those that all have, any where none is."""
    of_each = [{record["trial"]["seed"] for record in found} for found in settings.values()]
    return sorted(set.intersection(*of_each) or set.union(*of_each))


def chosen_records(records: Iterable[Record], seeds: Sequence[int]) -> list[Record]:
    """Return the records of the chosen settings of all cells."""
    return [record for settings in by_cell(records).values() for record in choose(settings, seeds)]


def higher_is_better(metrics: dict[str, float], metric: str) -> float:
    """Return one of the metrics, negative where RecBole knows that less of it is better."""
    name = metric.lower()
    return -metrics[name] if name.split("@")[0] in smaller_metrics else metrics[name]


def _score(records: Sequence[Record], seeds: Sequence[int]) -> float:
    metric = records[0]["valid_metric"]
    compared = [record for record in records if record["trial"]["seed"] in seeds] or records
    return statistics.mean(higher_is_better(record["valid"]["self"], metric) for record in compared)


def best_table(records: Iterable[Record], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return a row per cell: the chosen setting, and mean and standard deviation over seeds."""
    rows = []
    for settings in by_cell(records).values():
        chosen = choose(settings, seeds)
        metric = chosen[0]["valid_metric"].lower()
        row = {**_columns(chosen[0]), "setting": chosen[0]["trial"]["setting"], "settings": len(settings)}
        row["seeds"] = sorted(record["trial"]["seed"] for record in chosen)
        for part in ("valid", "test"):
            values = [record[part]["self"][metric] for record in chosen if record[part]]
            row[f"{part} {metric}"] = statistics.mean(values) if values else None
            row[f"{part} sd"] = statistics.stdev(values) if len(values) > 1 else None
        rows.append(row)
    return rows


def flat_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return a row per record: cell, setting, seed, status, metrics of self on validation and, where read, test."""
    rows = []
    for record in records:
        trial = record["trial"]
        row = {"key": trial["key"], **_columns(record), "seed": trial["seed"], "status": record["status"]}
        row.update({f"setting.{name}": value for name, value in trial["setting"].items()})
        if record["status"] == FAILED:
            row["error"] = record["error"].strip().splitlines()[-1]
        else:
            row.update(best_epoch=record["best_epoch"], epochs=len(record["epochs"]))
            row.update(seconds_per_epoch=record["seconds_per_epoch"])
            for part in ("valid", "test"):
                metrics = (record[part] or {}).get("self", {})
                row.update({f"{part}.{name}": value for name, value in metrics.items()})
        rows.append(row)
    return rows


def _columns(record: Record) -> dict[str, Any]:
    """Return the cell of a record; packed records have its axes in another order."""
    return vars(Cell(**record["trial"]["cell"]))
