"""What pages of results have in common: means with their spread, and where the records come from."""

from __future__ import annotations

import shlex
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.files import SUFFIX, read_records
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.cells import unique
from recbole_mdcns.report.escape import code, text
from recbole_mdcns.support import safe_write
from recbole_mdcns.support.safe_write import replacing


def read_all(paths: Iterable[Path]) -> list[Record]:
    """Return the records of sweeps, folders and packed files, each trial once, without those that failed.

    Raises:
        UserError: There are none, one is damaged, or two contradict each other.
    """
    return unique(record for path in paths for record in read_records(path))


def make_folder(out: Path) -> None:
    """Make the folder of the pages.

    Raises:
        UserError: That is not possible.
    """
    try:
        safe_write.make_folder(out)
    except OSError as error:
        raise UserError(f"--out {out} cannot be used: {error.strerror}") from None


def write_page(path: Path, text: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        WriteError: It cannot be written.
    """
    with replacing(path) as file:
        file.write(text.encode())


def file_of_records(out: Path, shown: Iterable[Record]) -> Path:
    """Return the file beside a page that gets its records.

    Raises:
        UserError: It holds others, which would be lost.
    """
    path = out / f"records{SUFFIX}"
    if path.exists():
        others = {record.trial.key for record in read_records(path)} - {record.trial.key for record in shown}
        if others:
            raise UserError(
                f"{path} holds {len(others)} record(s) that this page does not show, such as {min(others)}: give "
                "another --out, or move the file away"
            )
    return path


def spread(values: Sequence[float]) -> str:
    """Return mean and, of several, standard deviation; nothing of none."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def values_of(runs: Sequence[Record], split: str, role: str, metric: str) -> list[float]:
    """Return a metric of the runs that have it; nothing of ``test`` unless all were tested.

    A mean over some of the seeds would otherwise stand beside one over all.
    """
    if split == "test" and not all(run.test for run in runs):
        return []
    results = [(run.valid if split == "valid" else run.test or {}).get(role, {}) for run in runs]
    return [result[metric] for result in results if metric in result]


def mixed_versions(records: Iterable[Record]) -> str:
    """Return a sentence where records of several versions of this package stand on a page; empty otherwise."""
    versions = sorted({record.package_version for record in records})
    if len(versions) < 2:
        return ""
    return f"Mixed versions: records of recbole-mdcns {text(', '.join(versions))}, whose numbers may differ."


def sources(records: Sequence[Record], note: str | None = None, packed: Sequence[str] = ("records",)) -> list[str]:
    """Return, as lines of a list, what a reader needs to trust figures and to get them again.

    Args:
        records: What the figures were made from.
        note: One more line.
        packed: The files beside the page that have the records, without their suffix.
    """

    def all_of(values: Iterable[Any]) -> str:
        return text(", ".join(sorted({str(value) for value in values if value not in (None, "")})))

    files = ", ".join(f"[{text(name)}{SUFFIX}]({quote(name)}{SUFFIX})" for name in packed)
    of_which = f", of the run with seed {records[0].seed}" if len(records) > 1 else ""
    made_in = [record.environment for record in records]
    lines = {
        "seeds": all_of(record.seed for record in records),
        "peers": all_of(record.peer_model for record in records),
        "epochs": f"at most {all_of(record.config['epochs'] for record in records)}, "
        f"patience {all_of(record.config['stopping_step'] for record in records)}; the epoch is chosen on validation",
        "a command": code(shlex.join(records[0].command)) + of_which,
        "machine": all_of(f"{e.machine['processor']}, {e.machine['torch_threads']} thread(s)" for e in made_in),
        "versions": all_of(f"{name} {version}" for e in made_in for name, version in e.versions.items() if version),
        "commit": all_of(e.shown_commit for e in made_in),
        "mixed": mixed_versions(records),
        "records": f"{len(records)}, each with its command and configuration, in {files}",
        "note": note,
    }
    return [f"* {value if name == 'mixed' else f'{name}: {value}'}" for name, value in lines.items() if value]


def script_command() -> list[str]:
    """Return the command line of a script of ``benchmarks/``, by its path in the repository, wherever that lies."""
    script = Path(sys.argv[0]).resolve().as_posix()
    return ["python", "".join(script.rpartition("/benchmarks/")[1:]).lstrip("/"), *sys.argv[1:]]


def run_script(main: Callable[[], None]) -> int:
    """Run a script of ``benchmarks/``, and return its exit status: 2 after one sentence for a mistake of the user."""
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0
