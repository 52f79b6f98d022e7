"""Shared parts of the commands of a sweep: options, the sweep and the store that these name, and tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.errors import UserError
from recbole_mdcns.support.path_names import expanded

if TYPE_CHECKING:
    from recbole_mdcns.records.record import AnyRecord
    from recbole_mdcns.records.store import Store
    from recbole_mdcns.tuning.sweep import Sweep

_LISTS = ("datasets", "models", "peers", "methods", "losses", "protocols", "seeds", "tune_seeds")


def add_sweep_arguments(parser: Parser, **options: Any) -> None:
    """Add the options for the sweep, its storage, and everything that replaces an entry of its file.

    Args:
        parser: The parser of the command.
        **options: Further options of the argument ``grid``.
    """
    parser.add_argument("grid", help="yaml file of the sweep, or the name of one in properties/sweep", **options)
    parser.add_argument(
        "--storage",
        type=expanded,
        default=Path("sweeps"),
        metavar="DIR",
        help="folder of all sweeps, seen by every node (sweeps)",
    )
    for key in _LISTS:
        parser.add_argument(f"--{key}", help=f"{key} separated by commas, instead of those in the file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a fixed key for all runs")


def sweep_and_store(options: argparse.Namespace) -> tuple[Sweep, Store]:
    """Return the sweep that the options name, and the store of its records, which need not be there.

    Raises:
        UserError: The file or an option cannot be used.
    """
    from recbole_mdcns.config.values import parse_settings
    from recbole_mdcns.tuning.sweep_file import find_sweep, read_sweep

    overrides = {name: getattr(options, name) for name in _LISTS}
    lists = {
        name: [_entry(name, entry) for entry in text.split(",")] for name, text in overrides.items() if text is not None
    }
    sweep = read_sweep(find_sweep(options.grid), parse_settings(options.set), **lists)
    from recbole_mdcns.records.store import Store  # torch is imported with it, which takes seconds

    return sweep, Store(options.storage / sweep.name)


def records_of(sweep: Sweep, store: Store) -> list[AnyRecord]:
    """Return the records of a sweep.

    Raises:
        UserError: There is none, or one is damaged.
    """
    from recbole_mdcns.tuning.driver import sweep_records

    records = sweep_records(sweep, store)
    if not records:
        reason = "" if store.folder.is_dir() else ", because it does not exist"
        raise UserError(
            f"{store.folder} has no record of the sweep {sweep.name}{reason}: recbole-mdcns sweep writes them, and "
            "--storage names the folder of all sweeps"
        )
    return records


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a Markdown table."""
    from tabulate import tabulate

    print(tabulate(rows, headers="keys", floatfmt=".4f", tablefmt="github"))


def _entry(name: str, text: str) -> Any:
    """Read an entry of an option: a number for seeds, otherwise a name, or ~ for the default peer."""
    from recbole_mdcns.config.values import literal

    text = text.strip()
    return literal(text) if name.endswith("seeds") else None if text == "~" else text
