"""``recbole-mdcns best``: the setting that validation chose in each cell of a sweep."""

from __future__ import annotations

import argparse

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.sweep_options import add_sweep_arguments, print_table, records_of, sweep_and_store


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_sweep_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Print the settings.

    Raises:
        UserError: The sweep or an option cannot be used, there is no record, or one is damaged.
    """
    sweep, store = sweep_and_store(options)
    from recbole_mdcns.tuning.selection import best_table

    print_table(best_table(records_of(sweep, store), sweep.choice_seeds))
