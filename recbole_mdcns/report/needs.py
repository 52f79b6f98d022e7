"""Does a record have the metrics that a page shows?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from recbole_mdcns.errors import UserError
from recbole_mdcns.tuning.grid import Cell


def need_metrics(
    record: dict[str, Any], metrics: Iterable[str], role: str = "self", parts: Sequence[str] = ("test",)
) -> None:
    """Check that a record has metrics at the best epoch, and in every validation of the self model.

    Args:
        record: Of a trial.
        metrics: Such as ``ndcg@10``.
        role: Whose metrics of the best epoch.
        parts: Of ``valid`` and ``test``.

    Raises:
        UserError: One is missing; names the trial and what it has.
    """
    best = [(f"{part} of {role}", (record[part] or {}).get(role, {})) for part in parts]
    curve = [
        (f"validation of epoch {entry['epoch']}", entry["valid"]) for entry in record["epochs"] if "valid" in entry
    ]
    for metric in metrics:
        for where, found in (*best, *curve):
            if metric not in found:
                name = f"{Cell(**record['trial']['cell'])}, seed {record['trial']['seed']}"
                has = f"has {', '.join(found)}" if found else "has none"
                raise UserError(f"record {record['trial']['key']} of {name} lacks {metric}: its {where} {has}")
