"""``recbole-mdcns status``: the progress of each cell of a sweep, and the hours that are left."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.sweep_options import add_sweep_arguments, print_table, sweep_and_store

if TYPE_CHECKING:
    from recbole_mdcns.records.store import Store
    from recbole_mdcns.tuning.sweep import Sweep


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_sweep_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Print the progress.

    Raises:
        UserError: The sweep or an option cannot be used, or a record is damaged.
    """
    print_status(options.storage, *sweep_and_store(options))


def print_status(storage: str, sweep: Sweep, store: Store) -> None:
    """Print the progress of each cell, and the hours that are left.

    Args:
        storage: Folder of all sweeps; their records give the times of trials.
        sweep: The sweep.
        store: Its records.
    """
    from recbole_mdcns.tuning.prices import total_hours
    from recbole_mdcns.tuning.progress import at_once, measured, progress

    rows, rest = progress(sweep, store)
    print_table(rows)
    print(f"\n{len(rows)} cells, {sum(row['trials'] for row in rows)} trials, {len(rest)} to run")
    hours, parallel = total_hours(rest, measured(storage)), at_once(sweep)
    if hours is None:
        print("time: unknown, because a dataset or a backbone has no finished trial yet")
    else:
        of_gpus = f" ({hours * sweep.gpus:.1f} GPU hours)" if sweep.gpus else ""
        print(f"time: {hours:.1f} hours of training{of_gpus}, {hours / parallel:.1f} with {parallel} at once")
