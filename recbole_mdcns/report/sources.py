"""What pages of results have in common: means with their spread, where the records come from, how a script ends."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.packed import SUFFIX, read_records
from recbole_mdcns.records.store import FAILED
from recbole_mdcns.report.cells import unique
from recbole_mdcns.report.escape import code, text


def read_all(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the records of sweeps, folders and packed files, each trial once, without those that failed.

    Raises:
        UserError: There are none, one is damaged, or two contradict each other.
    """
    return unique(record for path in paths for record in read_records(path))


def read_single(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records in a folder, a file each, by the name of the file.

    Raises:
        UserError: There are none, or one is damaged, or it is that of a trial that failed.
    """
    found = {path.stem: read_records(path)[0] for path in sorted(folder.glob("*.json"))}
    if not found:
        raise UserError(f"{folder} holds no *.json records")
    for name, record in found.items():
        if record["status"] == FAILED:
            raise UserError(f"record {folder / name}.json is of a trial that failed: remove it")
    return found


def run(main: Callable[[], None]) -> int:
    """Run a script, and return its exit status: 2 after one sentence for a mistake of the user."""
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0


def make_folder(out: Path) -> None:
    """Make the folder of the pages.

    Raises:
        UserError: That is not possible.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out} cannot be used: {error.strerror}") from None


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
        return text(", ".join(sorted({str(value) for value in values if value not in (None, "")})))

    files = ", ".join(f"[{text(name)}{SUFFIX}]({quote(name)}{SUFFIX})" for name in packed)
    found = {
        "seeds": all_of(record["seed"] for record in records),
        "peers": all_of(record["peer_model"] for record in records),
        "epochs": f"at most {all_of(r['config']['epochs'] for r in records)}, "
        f"patience {all_of(r['config']['stopping_step'] for r in records)}; the epoch is chosen on validation",
        "a command": code(" ".join(records[0]["command"])),
        "machine": all_of(f"{r['machine']['processor']}, {r['machine']['torch_threads']} thread(s)" for r in records),
        "versions": all_of(f"{name} {version}" for r in records for name, version in r["versions"].items() if version),
        "commit": all_of(commit(r) for r in records),
        "records": f"{len(records)}, each with its command and configuration, in {files}",
        "note": note,
    }
    return [f"* {name}: {value}" for name, value in found.items() if value]
