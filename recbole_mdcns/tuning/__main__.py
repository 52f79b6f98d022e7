"""The command line of sweeps: ``python -m recbole_mdcns.tuning sweep|status|best|export``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from recbole_mdcns.config.outputs import check_writable
from recbole_mdcns.config.values import literal, parse_settings
from recbole_mdcns.errors import FAILURE, UserError
from recbole_mdcns.program import run_program
from recbole_mdcns.records.files import SUFFIX, pack_records
from recbole_mdcns.records.record import Failure
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.support.yaml_files import properties_dir
from recbole_mdcns.tuning.driver import run_sweeps, sweep_records
from recbole_mdcns.tuning.progress import at_once, measured, progress, total_hours
from recbole_mdcns.tuning.selection import best_table, flat_rows
from recbole_mdcns.tuning.sweep_file import Sweep, read_sweep

PROGRAM = "recbole_mdcns.tuning"
_LISTS = ("datasets", "models", "peers", "methods", "losses", "protocols", "seeds", "tune_seeds")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see ``errors.py``: 1 where trials failed."""
    arguments = sys.argv[1:] if argv is None else argv
    advice = "interrupted; the same command goes on where this one stopped"
    return run_program(PROGRAM, lambda: _command(arguments), advice, is_process=argv is None)


def _command(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    sweep = _sweep(options)
    store = Store(Path(options.storage) / sweep.name)
    return {"sweep": _run, "status": _status, "best": _best, "export": _export}[options.command](options, sweep, store)


def _run(options: argparse.Namespace, sweep: Sweep, store: Store) -> int:
    if options.dry_run:
        return _status(options, sweep, store)
    records = run_sweeps([sweep], store, options.address, options.dashboard)
    _print(best_table(records, sweep.choice_seeds))
    failed = [record for record in records if isinstance(record, Failure)]
    left = len(progress(sweep, store)[1]) - len(failed) if sweep.sweep_hours is not None else 0
    if left:
        print(f"\nsweep_hours = {sweep.sweep_hours} are over, {left} trials are left: the same command goes on")
    for failure in failed:
        print(f"failed: {failure.trial.cell}, {failure.trial.setting}: {failure.reason}", file=sys.stderr)
    return FAILURE if failed else 0


def _status(options: argparse.Namespace, sweep: Sweep, store: Store) -> int:
    """Print how far each cell is, and the hours that the rest should take."""
    rows, rest = progress(sweep, store)
    _print(rows)
    print(f"\n{len(rows)} cells, {sum(row['trials'] for row in rows)} trials, {len(rest)} to run")
    hours, parallel = total_hours(rest, measured(options.storage)), at_once(sweep)
    if hours is None:
        print("time: unknown, nothing like one of them is done yet")
    else:
        of_gpus = f" ({hours * sweep.gpus:.1f} GPU hours)" if sweep.gpus else ""
        print(f"time: {hours:.1f} hours of training{of_gpus}, {hours / parallel:.1f} with {parallel} at once")
    return 0


def _best(options: argparse.Namespace, sweep: Sweep, store: Store) -> int:
    """Print the setting that validation chose in each cell."""
    _print(best_table(sweep_records(sweep, store), sweep.choice_seeds))
    return 0


def _export(options: argparse.Namespace, sweep: Sweep, store: Store) -> int:
    """Write all records as one table, csv or parquet, or whole, packed."""
    import pandas as pd

    for path in options.files:
        if path.suffix not in (".csv", ".parquet") and not path.name.endswith(SUFFIX):
            raise UserError(f"{path} cannot be written: its name must end in .csv, .parquet or {SUFFIX}")
        check_writable(path, "FILE", replaces=Path.is_file)
    records = sweep_records(sweep, store)
    frame = pd.DataFrame(flat_rows(records))
    for path in options.files:
        if path.name.endswith(SUFFIX):
            pack_records(records, path)
        else:
            with replacing(path) as file:
                frame.to_csv(file, index=False) if path.suffix == ".csv" else frame.to_parquet(file, index=False)
        print(f"{path}: {len(records)} records")
    return 0


def _print(rows: list[dict[str, Any]]) -> None:
    print(tabulate(rows, headers="keys", floatfmt=".4f", tablefmt="github"))


def _sweep(options: argparse.Namespace) -> Sweep:
    path = Path(options.grid)
    if not path.is_file() and (properties_dir() / "sweep" / path.name).is_file():
        path = properties_dir() / "sweep" / path.name
    overrides = {name: getattr(options, name) for name in _LISTS}
    lists = {
        name: [_entry(name, each) for each in text.split(",")] for name, text in overrides.items() if text is not None
    }
    return read_sweep(path, parse_settings(options.set), **lists)


def _entry(name: str, text: str) -> Any:
    """Read an entry of an option: a number of seeds, else a name as it is written, or ~ for the default peer."""
    return literal(text) if name.endswith("seeds") else None if text == "~" else text.strip()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=f"python -m {PROGRAM}", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, meaning in (
        ("sweep", "run every trial that has no record yet"),
        ("status", "how far each cell is, and the hours of the rest"),
        ("best", "the setting that validation chose in each cell"),
        ("export", "all records as a table, or packed into one file"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning, allow_abbrev=False)
        command.add_argument("grid", help="yaml file of the sweep, or the name of one in properties/sweep")
        command.add_argument("--storage", default="sweeps", help="folder of all sweeps, seen by every node (sweeps)")
        for key in _LISTS:
            command.add_argument(f"--{key}", help=f"{key} by commas, instead of those of the file")
        command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a fixed key for all runs")
        if name == "sweep":
            command.add_argument("--dry-run", action="store_true", help="only say what would run, and how long")
            command.add_argument("--address", help="of a running Ray cluster, or auto")
            command.add_argument("--dashboard", action="store_true", help="start Ray's dashboard")
        if name == "export":
            command.add_argument(
                "files", nargs="+", type=Path, metavar="FILE", help="such as all.csv, all.parquet or records.jsonl.xz"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
