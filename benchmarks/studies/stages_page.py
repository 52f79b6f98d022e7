"""Show staged runs: what validation and test say after some epochs, and after how many minutes.

    python benchmarks/studies/stages_page.py RECORD.json ... --out FOLDER

Reads records of ``staged.py``; writes README.md, curves.png and the records. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.files import pack_records, read_records
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.escape import code, text
from recbole_mdcns.report.figure import plain, saved_figure
from recbole_mdcns.report.sources import file_of_records, make_folder, run_script, write_page

METRIC = "ndcg@10"
#: Splits and models of the columns.
COLUMNS = [(split, role) for split in ("valid", "test") for role in ("self", "peer", "teacher")]


def main() -> None:
    """Read the records, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=Path, help="files of staged.py")
    parser.add_argument("--out", type=Path, required=True, help="folder of the page")
    options = parser.parse_args()
    records = [staged_record(path) for path in options.records]
    make_folder(options.out)
    pack_records(records, file_of_records(options.out, records))
    draw(records, options.out / "curves.png")
    write_page(options.out / "README.md", page(records))
    print(page(records))


def staged_record(path: Path) -> Record:
    """Return the one record of a file of ``staged.py``.

    Raises:
        UserError: It holds another kind of record, or one of before the seconds of a stage were kept.
    """
    (record,) = read_records(path)
    stages = record.study.get("stages", {}) if isinstance(record, Record) else {}
    if not isinstance(record, Record) or not stages or not all("seconds" in stage for stage in stages.values()):
        raise UserError(f"{path} has no stages with their seconds: give a file that staged.py wrote")
    return record


def page(records: Sequence[Record]) -> str:
    """Return the table and what made it."""
    rows = [
        [text(record.dataset), epochs, f"{stage['seconds'] / 60:.1f}", *(shown(stage, *column) for column in COLUMNS)]
        for record in records
        for epochs, stage in record.study["stages"].items()
    ]
    headers = ["dataset", "epochs", "minutes", *(f"{split} {role}" for split, role in COLUMNS)]
    lines = ["# What a training reaches after some epochs, and when", ""]
    lines += [f"{METRIC} at the epoch that validation chose so far; minutes of the whole command, without imports.", ""]
    lines += [tabulate(rows, headers, tablefmt="github", disable_numparse=True), "", "![curves](curves.png)", ""]
    return "\n".join([*lines, *map(source, records), ""])


def shown(stage: dict, split: str, role: str) -> str:
    """Return a metric of a stage; nothing where there is no such model."""
    metrics = stage[split].get(role, {})
    return f"{metrics[METRIC]:.4f}" if METRIC in metrics else ""


def source(record: Record) -> str:
    """Return the command of a record, and what it ran on, as a line of a list."""
    made_in = record.environment
    versions = ", ".join(f"{name} {made_in.versions[name]}" for name in ("python", "recbole", "torch"))
    machine = f"{made_in.machine['processor']}, {made_in.machine['torch_threads']} threads"
    about = f"seed {record.seed}; {record.seconds_per_epoch:.0f} s to train an epoch (median); {machine}; {versions}; "
    about += f"commit {made_in.short_commit}"
    return f"* {code(' '.join(record.command))}: {text(about)}"


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw the validation metric of the self model by epoch."""
    with saved_figure(path, figsize=(5, 3.6), squeeze=False) as axes:
        axis = axes[0][0]
        for record in records:
            axis.plot(*zip(*record.curve(METRIC).items()), lw=1, marker=".", label=plain(record.dataset))
        axis.set(xlabel="epoch", ylabel=f"validation {METRIC}, self model")
        axis.legend(fontsize=7)
        axis.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(run_script(main))
