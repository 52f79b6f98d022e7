"""``recbole-mdcns best``: the setting that validation chose in each cell of a sweep."""

from __future__ import annotations

import argparse

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.sweep_options import add_sweep_arguments, print_table, sweep_and_store


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_sweep_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Print the settings.

    Raises:
        UserError: The sweep or an option cannot be used, or a record is damaged.
    """
    from recbole_mdcns.tuning.driver import sweep_records
    from recbole_mdcns.tuning.selection import best_table

    sweep, store = sweep_and_store(options)
    print_table(best_table(sweep_records(sweep, store), sweep.choice_seeds))
