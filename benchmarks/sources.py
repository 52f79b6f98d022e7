"""What pages of results have in common: means with their spread, and where the records come from."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from paper_tables.cells import unique

from recbole_mdcns.errors import UserError
from recbole_mdcns.tuning.packed import SUFFIX, read_records


def read_all(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the records of sweeps, folders and packed files, each trial once, without those that failed.

    Raises:
        SystemExit: There are none, one is damaged, or two contradict each other.
    """
    try:
        return unique(record for path in paths for record in read_records(path))
    except UserError as error:
        raise SystemExit(str(error)) from None


def spread(values: Sequence[float]) -> str:
    """Return mean and, of several, standard deviation; nothing of none."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def commit(record: dict[str, Any]) -> str:
    """Return the commit that a record was made at, and whether files differed from it; nothing outside of git."""
    git = record["git"]
    return git["commit"] + ("" if git.get("clean", True) else " (modified)") if git else ""


def sources(
    records: Sequence[dict[str, Any]], note: str | None = None, packed: Sequence[str] = ("records",)
) -> list[str]:
    """Return, as lines of a list, what a reader needs to trust figures and to get them again.

    Args:
        records: What the figures were made from.
        note: One more line.
        packed: The files beside the page that have the records, without their suffix.
    """

    def all_of(values: Iterable[Any]) -> str:
        return ", ".join(sorted({str(value) for value in values if value not in (None, "")}))

    files = ", ".join(f"[{name}{SUFFIX}]({name}{SUFFIX})" for name in packed)
    found = {
        "seeds": all_of(record["seed"] for record in records),
        "peers": all_of(record["peer_model"] for record in records),
        "epochs": f"at most {all_of(r['config']['epochs'] for r in records)}, "
        f"patience {all_of(r['config']['stopping_step'] for r in records)}; the epoch is chosen on validation",
        "a command": f"`{' '.join(records[0]['command'])}`",
        "machine": all_of(f"{r['machine']['processor']}, {r['machine']['torch_threads']} thread(s)" for r in records),
        "versions": all_of(f"{name} {version}" for r in records for name, version in r["versions"].items() if version),
        "commit": all_of(commit(r) for r in records),
        "records": f"{len(records)}, each with its command and configuration, in {files}",
        "note": note,
    }
    return [f"* {name}: {value}" for name, value in found.items() if value]
