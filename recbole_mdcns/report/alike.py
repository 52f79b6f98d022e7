"""Records that are averaged must be seeds of one training: the same keys, and each seed once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from recbole_mdcns.config.identity import settings
from recbole_mdcns.errors import UserError
from recbole_mdcns.records.record import Record

#: Keys that change what is written about a training, but not the training.
_ONLY_SHOWN = ("seed", "metrics", "topk")
_BUDGET = ("epochs", "stopping_step")


def check_alike(records: Sequence[Record]) -> None:
    """Refuse records of one cell and setting that are not seeds of one training.

    Raises:
        UserError: Names two records, and the keys in which they differ or the seed that both have.
    """
    check_keys(records)
    check_seeds(records)


def check_keys(records: Sequence[Record], apart_from: Collection[str] = ()) -> None:
    """Refuse records of trainings with other keys or another budget.

    Args:
        records: At least one.
        apart_from: Keys that may differ.

    Raises:
        UserError: Names two records and the keys.
    """
    first = records[0]
    here = _of_training(first)
    for record in records[1:]:
        there = _of_training(record)
        keys = [key for key in sorted({*here, *there} - {*apart_from}) if here.get(key) != there.get(key)]
        if keys:
            named = ", ".join(f"{key} ({first.config.get(key)}, {record.config.get(key)})" for key in keys)
            raise UserError(
                f"records {first.trial.key} and {record.trial.key} of {first.cell} differ in {named}: give the records "
                "of one of these"
            )


def check_seeds(records: Iterable[Record]) -> None:
    """Refuse two records of the same seed.

    Raises:
        UserError: Names the records.
    """
    seen: dict[int, Record] = {}
    for record in records:
        other = seen.setdefault(record.seed, record)
        if other is not record:
            raise UserError(
                f"records {other.trial.key} and {record.trial.key} are of the same training, {record.trial}: remove one"
            )


def _of_training(record: Record) -> dict[str, Any]:
    values = settings({"model": record.cell.model, **record.config})
    values.update({key: record.config[key] for key in _BUDGET})
    return {key: value for key, value in values.items() if key not in _ONLY_SHOWN}
