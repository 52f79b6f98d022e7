"""Does a record have the metrics that a page shows?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.record import Record


def need_metrics(record: Record, metrics: Iterable[str], role: str = "self", splits: Sequence[str] = ("test",)) -> None:
    """Check that a record has metrics at the best epoch, and in every validation of the self model.

    Args:
        record: The record of a trial.
        metrics: Such as ``ndcg@10``.
        role: The role whose metrics of the best epoch are needed.
        splits: Of ``valid`` and ``test``.

    Raises:
        UserError: One is missing; names the trial and what it has.
    """
    results = {"valid": record.valid, "test": record.test or {}}
    held = [(f"{split} of {role}", results[split].get(role, {})) for split in splits]
    held += [(f"validation of epoch {e.epoch}", e.valid) for e in record.epochs if e.valid is not None]
    for metric in metrics:
        for where, values in held:
            if metric not in values:
                has = f"has {', '.join(values)}" if values else "has none"
                raise UserError(f"record {record.trial.key} of {record.trial} lacks {metric}: its {where} {has}")
