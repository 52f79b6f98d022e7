"""``recbole-mdcns status``: the progress of each cell of a sweep, and the hours that are left."""

from __future__ import annotations

import argparse
import sys
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


def print_status(storage: str, sweep: Sweep, store: Store, is_refusing: bool = False) -> None:
    """Print the progress of each cell, where its records are, and the hours that are left.

    A dataset that is missing is told on stderr, because records may be read on a machine without the data.

    Args:
        storage: Folder of all sweeps; their records give the times of trials.
        sweep: The sweep.
        store: Its records.
        is_refusing: Refuse a dataset that is missing and not known by name.

    Raises:
        UserError: A record is damaged, or a dataset is refused.
    """
    from recbole_mdcns.config.keys import dataset_keys
    from recbole_mdcns.tuning.datasets import absent_datasets
    from recbole_mdcns.tuning.prices import total_hours
    from recbole_mdcns.tuning.progress import at_once, measured, progress

    rows, rest = progress(sweep, store)
    absent = absent_datasets(sweep, [cell for cell, _ in rest])
    for name, error in absent.items():
        if is_refusing and not dataset_keys(name):  # without its yaml file the name may be wrong
            raise error
    print_table(rows)
    print(f"\n{len(rows)} cells, {sum(row['trials'] for row in rows)} trials, {len(rest)} to run")
    print(store.described())
    parallel = max(1, min(at_once(sweep), len(rest)))  # no trial is divided
    _print_hours(total_hours(rest, measured(storage)), parallel, sweep.gpus)
    known: set[str] = set()
    if not is_refusing:  # the names of datasets that trials had, on whatever machine, are right
        known = {trial.cell.dataset for trial in [*store.begun(), *(record.trial for record in store.all_records())]}
    for name, error in absent.items():
        if name not in known:
            print(f"sweep would refuse this: {error}", file=sys.stderr)


def _print_hours(hours: float | None, parallel: int, gpus: float) -> None:
    if hours is None:
        print("time: unknown, because a dataset or a backbone has no finished trial yet")
        return
    of_gpus = f" ({hours * gpus:.1f} GPU hours)" if gpus else ""
    print(f"time: {hours:.1f} hours of training{of_gpus}, {hours / parallel:.1f} with {parallel} at once")
