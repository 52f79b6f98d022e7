"""``recbole-mdcns sweep``: train every trial of a sweep that has no record yet."""

from __future__ import annotations

import argparse
import sys

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.status import print_status
from recbole_mdcns.cli.sweep_options import add_sweep_arguments, print_table, sweep_and_store
from recbole_mdcns.errors import FAILURE
from recbole_mdcns.tuning.engine_options import add_engine_arguments, engine_of, sweep_as_asked


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_sweep_arguments(parser)
    parser.add_argument("--dry_run", action="store_true", help="only print what would run, and for how long")
    add_engine_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the sweep and print the best settings; the exit code is 1 if a trial failed.

    Raises:
        UserError: The sweep or an option cannot be used; raised before any trial starts.
    """
    sweep, store = sweep_and_store(options)  # before the imports below, which take seconds
    from recbole_mdcns.records.record import Failure
    from recbole_mdcns.tuning.driver import run_sweeps
    from recbole_mdcns.tuning.grid import unread_keys
    from recbole_mdcns.tuning.progress import progress
    from recbole_mdcns.tuning.selection import best_table

    engine = engine_of(options, [sweep], store)
    for place in unread_keys([sweep]):
        print(f"{place} is given and not read: no cell of this sweep uses it", file=sys.stderr)
    if options.dry_run:
        print_status(options.storage, sweep_as_asked(options, sweep), store, is_refusing=True)
        return 0
    records = run_sweeps([sweep], store, engine)
    print_table(best_table(records, sweep.choice_seeds))
    failed = [record for record in records if isinstance(record, Failure)]
    if engine.seconds_left <= 0:
        left = len(progress(sweep, store)[1]) - len(failed)
        print(f"\nsweep_hours = {sweep.sweep_hours} have passed, {left} trials are left: the same command continues")
    for failure in failed:
        print(f"failed: {failure.trial.cell}, {failure.trial.setting}: {failure.reason}", file=sys.stderr)
    return FAILURE if failed else 0
